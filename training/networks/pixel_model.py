"""Seed in, pixels out: a generator with the conversions that must be the same in every runtime."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...errors import UsageError
from ...signature import Signature, in_batches
from ...signature.fields import Role
from ..data.pixels import from_pixels, to_pixels
from .generator import Generator
from .noise import Noise

__all__ = ["PixelModel", "model_inputs"]


class PixelModel(nn.Module):
    """Noise, network, clipping, rounding and layout in one module, as it is exported and served.

    Args:
        generator: in eval mode, so that a picture does not depend on its batch.
        signature: its first input is the seed or, for walks in latent space, the latent; neither for a generator
            without noise.

    Raises:
        UsageError: seed or latent of the signature do not fit the generator.
    """

    def __init__(self, generator: Generator, signature: Signature) -> None:
        super().__init__()
        _check_noise(signature, generator.latent_size)
        self.generator, self.signature = generator, signature
        # Separate modules, so that the names in an exported graph tell noise and pixels from the network.
        self.noise, self.pixels = Noise(generator.latent_size), _Pixels()

    def forward(self, *inputs: Any) -> Tensor:
        """The signature's inputs in order, as `model_inputs` gives them -> UINT8 (batch, height, width, channels)."""
        return self.pixels(self.images(*inputs))

    def make(
        self, inputs: Mapping[str, NDArray[Any]], batch: int, device: torch.device | str = "cpu"
    ) -> NDArray[np.uint8]:
        """Pictures of checked inputs in the signature's order, made `batch` at a time on `device`.

        Returns:
            UINT8 of shape (count, height, width, channels), 0 to 255.
        """
        with torch.inference_mode():
            parts = [self(*model_inputs(part.values(), device)).cpu() for part in in_batches(inputs, batch)]
        return torch.cat(parts).numpy()

    def images(self, *inputs: Any) -> Tensor:
        """The images before rounding: FP32 (batch, channels, height, width) in [-1, 1], which may be exceeded."""
        return self.generator(*self.network_inputs(*inputs))

    def network_inputs(self, *inputs: Any) -> tuple[Any, ...]:
        """What the generator takes for the signature's inputs: noise for a seed, floats for pictures and masks."""
        fields = zip(self.signature.inputs, inputs, strict=True)
        return tuple(self._network_input(field.role, value) for field, value in fields)

    def _network_input(self, role: Role, value: Tensor) -> Tensor:
        match role:
            case Role.SEED:
                return self.noise(value)
            # Cast first: TensorRT supports no other operation on UINT8.
            case Role.IMAGE:
                return from_pixels(value)
            case Role.MASK:
                return (value.float().permute(0, 3, 1, 2) > 0).float()
            case _:
                return value


class _Pixels(nn.Module):
    """`to_pixels`."""

    def forward(self, images: Tensor) -> Tensor:
        return to_pixels(images)


def model_inputs(arrays: Iterable[NDArray[Any]], device: torch.device | str = "cpu") -> list[Any]:
    """Convert a signature's inputs for `PixelModel`: texts to lists, other arrays to tensors on `device`."""
    return [
        array.tolist() if array.dtype == object else torch.from_numpy(array).to(device) for array in arrays
    ]


def _check_noise(signature: Signature, latent_size: int) -> None:
    positions = [
        index for index, field in enumerate(signature.inputs) if field.role in (Role.SEED, Role.LATENT)
    ]
    if positions != [0] * bool(latent_size):
        names = ", ".join(field.name for field in signature.inputs)
        rule = "expected a seed or a latent as the first input only" if latent_size else "expected neither"
        raise UsageError(f"a generator with latent_size {latent_size} was given the inputs {names}; {rule}")
    first = signature.inputs[0]
    if first.role is Role.LATENT and math.prod(first.shape) != latent_size:
        raise UsageError(f"latent of shape {first.shape}; expected ({latent_size},)")
