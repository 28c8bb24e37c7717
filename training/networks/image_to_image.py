"""Networks of the image-to-image families, and the inputs of their generators.

Normalisation is over one image (Ulyanov et al. 2017), without running statistics, so that the output for an image
depends neither on its batch nor on those of the training. Noise multiplies each feature map by a number from
N(1, strength^2) (Gaussian dropout, Srivastava et al. 2014, section 10): networks learn to ignore added noise (Isola et
al. 2017, section 3.1). The noise comes from the seed, in training and at test time.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ...errors import UsageError
from ...reporting import picture_grid
from ...signature import Signature
from ...signature.fields import Role
from ..data.dataset import Dataset
from .generator import Generator
from .layers import LEAK, halvings, scaled_convolution

__all__ = [
    "MOST_TIMES",
    "MOST_WIDENING",
    "PatchDiscriminator",
    "ResidualNetwork",
    "UNet",
    "check_sources",
    "multiply_by_noise",
    "side_by_side",
    "source_inputs",
]

MOST_TIMES = 4
"""Largest height and width of images of free size, as a multiple of the training resolution."""

MOST_WIDENING = 8
"""Largest ratio of the innermost to the outermost channels."""


def check_sources(dataset: Dataset, family: str) -> None:
    """Check that a dataset has source images with the shape of its targets.

    Raises:
        UsageError: it has no sources, or they differ in size or channels.
    """
    if dataset.sources is None:
        raise UsageError(
            f"data {dataset.name!r} has no pairs; family {family!r} needs them: columns source and target, as in"
            " shapes-pairs or emoji_restyle"
        )
    if dataset.sources.shape != dataset.images.shape:
        (_, *source), (_, *image) = dataset.sources.shape, dataset.images.shape
        raise UsageError(
            f"data {dataset.name!r} has sources of shape {source} and targets of {image}; family {family!r} needs"
            " equal shapes: store both in one size, and both grey or both in colour"
        )


def source_inputs(
    generator: Generator, signature: Signature, dataset: Dataset
) -> dict[str, NDArray[Any]] | None:
    """Source images (and masks) for the targets of a dataset: derived by the generator, or the dataset's sources.

    Returns:
        Name of each field with role image or mask -> array of shape (count, ...); None if there are none.
    """
    if (derived := generator.degrade(dataset.images)) is not None:
        return derived
    field = signature.field(Role.IMAGE)
    if field is None or dataset.sources is None or signature.field(Role.MASK) is not None:
        return None
    return {field.name: dataset.sources}


def side_by_side(columns: Mapping[str, NDArray[np.uint8]], *, across: int = 1) -> Image.Image:
    """A grid with one row per image and one column per kind, scaled to one size.

    Args:
        columns: heading -> UINT8 of shape (count, height, width, channels); all are scaled to the size of the last.
        across: number of rows side by side; images that do not fill a line of the grid are left out.
    """
    *_, last = columns.values()
    count, height, width, channels = last.shape
    across = min(across, count)
    whole = count - count % across
    shown = []
    for pictures in columns.values():
        rows = np.arange(height) * pictures.shape[1] // height
        pixels = np.arange(width) * pictures.shape[2] // width
        shown.append(pictures[:whole, rows][:, :, pixels])
    return picture_grid(
        np.stack(shown, 1).reshape(-1, height, width, channels),
        columns=across * len(columns),
        column_names=list(columns) * across,
    )


def multiply_by_noise(features: Tensor, latent: Tensor, strength: float) -> Tensor:
    """Multiply each map of features (batch, channels, height, width) by 1 + strength * its value of `latent`.

    Args:
        features: the features.
        latent: FP32 of shape (batch, channels), standard normal.
        strength: standard deviation of the factors.
    """
    return features * (1 + strength * latent)[:, :, None, None]


class UNet(nn.Module):
    """Halves an image down to 4 to 7 pixels and doubles it again, with skip connections (Isola et al. 2017).

    Args:
        inputs, outputs: channels.
        resolution: height and width of both images, 4 to 7 times a power of two.
        width: channels at full resolution; each halving doubles them, up to `MOST_WIDENING` times.
        blocks: residual blocks between the halves.

    Attributes:
        inside: channels of the innermost features.
        sides: allowed heights and widths: divisible by all halvings, with more than one value to normalise over.
    """

    def __init__(self, inputs: int, outputs: int, resolution: int, width: int, blocks: int = 0) -> None:
        super().__init__()
        counts = [width * min(MOST_WIDENING, 1 << depth) for depth in range(halvings(resolution) + 1)]
        self.inside = counts[-1]
        step = 1 << halvings(resolution)
        self.sides = range(2 * step, MOST_TIMES * resolution + 1, step)
        self.first = nn.Sequential(scaled_convolution(inputs, width, 3), nn.LeakyReLU(LEAK))
        self.down = nn.ModuleList(_halving(before, after) for before, after in pairwise(counts))
        self.blocks = nn.Sequential(*(_Residual(self.inside) for _ in range(blocks)))
        # All but the innermost features are concatenated with those of the same size from the way down.
        arriving = [self.inside, *(2 * count for count in counts[-2:0:-1])]
        self.up = nn.ModuleList(
            _doubling(before, after) for before, after in zip(arriving, counts[-2::-1], strict=True)
        )
        self.last = scaled_convolution(2 * width, outputs, 3, gain=0.1)

    def forward(self, images: Tensor, latent: Tensor | None = None, strength: float = 0.0) -> Tensor:
        """Images (batch, inputs, height, width) -> (batch, outputs, height, width), unbounded.

        Args:
            images: FP32 in [-1, 1].
            latent: FP32 of shape (batch, inside), or None for no noise.
            strength: of the noise.
        """
        features = self.first(images)
        passed = []
        for halve in self.down:
            passed.append(features)
            features = halve(features)
        features = self.blocks(features)
        if latent is not None:
            features = multiply_by_noise(features, latent, strength)
        for double, equal in zip(self.up, reversed(passed), strict=True):
            features = torch.cat((double(features), equal), 1)
        return self.last(features)


class ResidualNetwork(nn.Module):
    """Halves an image twice, applies residual blocks, and doubles it twice (Johnson et al. 2016).

    Args:
        inputs, outputs: channels.
        width: channels at full resolution; each halving doubles them.
        blocks: residual blocks.

    Attributes:
        inside: channels of the innermost features.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.inside = 4 * width
        self.down = nn.Sequential(
            scaled_convolution(inputs, width, 3),
            nn.LeakyReLU(LEAK),
            _halving(width, 2 * width),
            _halving(2 * width, self.inside),
        )
        self.blocks = nn.Sequential(*(_Residual(self.inside) for _ in range(blocks)))
        self.up = nn.Sequential(
            _doubling(self.inside, 2 * width),
            _doubling(2 * width, width),
            scaled_convolution(width, outputs, 3, gain=0.1),
        )

    def forward(self, images: Tensor, latent: Tensor, strength: float) -> Tensor:
        """Images (batch, inputs, height, width) -> (batch, outputs, height, width), unbounded.

        Args:
            images: FP32 in [-1, 1], height and width divisible by 4.
            latent: FP32 of shape (batch, inside).
            strength: of the noise.
        """
        return self.up(self.blocks(multiply_by_noise(self.down(images), latent, strength)))


class PatchDiscriminator(nn.Module):
    """Discriminator with one logit per patch (Isola et al. 2017, section 3.2.2).

    Args:
        inputs: channels; for pairs those of both images.
        width: channels of the first layer; each later layer has twice as many.
        layers: number of halving layers; a patch is 8 pixels wide for 1, 18 for 2, 38 for 3, 78 for 4.
        normalised: normalise mean and contrast of every map after the first layer. False for discriminators that must
            see brightness and contrast.
    """

    def __init__(self, inputs: int, width: int, layers: int, *, normalised: bool = True) -> None:
        super().__init__()
        counts = [width << depth for depth in range(layers)]
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, width, 4, 2, 1),
            nn.LeakyReLU(LEAK),
            *(_halving(before, after, normalised=normalised) for before, after in pairwise(counts)),
            nn.Conv2d(counts[-1], 1, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(batch, inputs, height, width) in [-1, 1] -> logits of shape (batch, 1, patches down, patches across)."""
        return self.layers(images)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            _norm(channels),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            _norm(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.branch(features)


def _norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=True, track_running_stats=False)


def _halving(before: int, after: int, *, normalised: bool = True) -> nn.Sequential:
    norm = [_norm(after)] if normalised else []
    return nn.Sequential(nn.Conv2d(before, after, 4, 2, 1, bias=not normalised), *norm, nn.LeakyReLU(LEAK))


def _doubling(before: int, after: int) -> nn.Sequential:
    layers = nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), _norm(after), nn.LeakyReLU(LEAK)
    return nn.Sequential(*layers)
