"""Seed in, pixels out: a generator with everything around it that must be the same wherever it runs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..noise import gaussian
from ..signature import Role, Signature, latent_field
from .models.base import Generator

__all__ = ["Picture", "to_pixels", "with_latent"]


class Picture(nn.Module):
    """Noise, network, clipping, rounding and layout in one module; what is exported and served.

    Args:
        generator: in eval mode, so that a picture does not depend on its batch.
        signature: whose first input is the seed or, for walks through the latent space, the latent itself.

    Raises:
        UsageError: the signature has neither, or the latent has another size than the generator's.
    """

    def __init__(self, generator: Generator, signature: Signature) -> None:
        super().__init__()
        first = signature.inputs[0]
        if first.role not in (Role.SEED, Role.LATENT):
            raise UsageError(f"a picture is made from a seed or a latent; the first input is {first.name!r}")
        if first.role is Role.LATENT and first.shape != (generator.latent_size,):
            raise UsageError(
                f"latent of shape {first.shape}: this generator takes ({generator.latent_size},)"
            )
        self.generator, self.signature = generator, signature
        self._from_seed = first.role is Role.SEED

    def forward(self, *inputs: Tensor) -> Tensor:
        """The signature's inputs in order -> UINT8 of shape (batch, height, width, channels), 0 to 255."""
        first, *conditions = inputs
        latent = gaussian(first, self.generator.latent_size) if self._from_seed else first
        return to_pixels(self.generator(latent, *conditions))


def to_pixels(images: Tensor) -> Tensor:
    """FP32 (batch, channels, height, width) in [-1, 1] -> UINT8 (batch, height, width, channels), 0 to 255."""
    levels = torch.clamp(torch.round(images * 127.5 + 127.5), 0, 255)
    return levels.permute(0, 2, 3, 1).to(torch.uint8)


def with_latent(signature: Signature, size: int) -> Signature:
    """The signature with a latent of `size` values in the seed's place."""
    inputs = tuple(latent_field(size) if field.role is Role.SEED else field for field in signature.inputs)
    return signature.model_copy(update={"inputs": inputs})
