"""The base class of all generators."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ...signature import Signature, with_latent
from ...signature.fields import Field, image_output, seed_field, source_field

__all__ = ["Generator"]


class Generator(nn.Module):
    """A network that makes images, with the arguments to build it again.

    A subclass takes keyword arguments that JSON can hold, each with a default, and raises `ValueError` for arguments
    that make no valid network. All its tensors are in its state dict. `forward` takes the signature's inputs in order,
    which `PixelModel` converts:

        seed    noise, FP32 (batch, latent_size); always the first input, absent if latent_size is 0
        image   FP32 (batch, channels, height, width) in [-1, 1]
        mask    FP32 (batch, 1, height, width): 1 inside the hole, 0 outside

    Other inputs are passed unchanged. It returns FP32 (batch, channels, height, width) in [-1, 1].

    Args:
        architecture: the subclass's keyword arguments.

    Attributes:
        latent_size: noise values per image; 0 for a generator without a seed.
        sharded_methods: methods by which its task uses it, beside `forward`; a generator that has some can be trained
            with its weights cut over processes.
    """

    latent_size: int
    sharded_methods: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **architecture: Any) -> None:
        super().__init__()
        self.architecture = architecture

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Inputs and output: the seed, if the generator takes noise, then the conditions. By default a seed only.

        Args:
            class_names: of the labels it was trained on, in order.
        """
        return Signature(inputs=(seed_field(),), output=self.image_field)

    @property
    def image_field(self) -> Field:
        """The output of a generator with `resolution` and `channels` in its architecture."""
        side = self.architecture["resolution"]
        return image_output(side, side, self.architecture["channels"])

    @property
    def source_field(self) -> Field:
        """A source image of the size of the output."""
        side = self.architecture["resolution"]
        return source_field(side, side, self.architecture["channels"])

    def sides(self) -> range | None:
        """Allowed heights and widths of a source image; None (the default) allows only the size trained on."""
        return None

    def degrade(self, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]] | None:
        """Inputs from which the generator should restore images, such as reduced ones; the same at every call.

        Args:
            images: UINT8 of shape (count, height, width, channels).

        Returns:
            Name of each field with role image or mask -> array of shape (count, ...), as the signature has them; None
            (the default) if the sources come with the data.
        """
        return None

    def shard_units(self) -> list[nn.Module]:
        """Parts that collect their weights when they run, if weights are cut over processes; by default none."""
        return []

    def forms(self, signature: Signature) -> dict[str, tuple[Generator, Signature]]:
        """Forms that can be exported: kind of input -> network and signature; the default form is first.

        Args:
            signature: of the default form.
        """
        if not self.latent_size:
            return {"image": (self, signature)}
        return {"seed": (self, signature), "latent": (self, with_latent(signature, self.latent_size))}
