"""Layers shared by several families."""

from __future__ import annotations

from itertools import pairwise
from math import gcd, sqrt
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ...errors import UsageError

__all__ = [
    "NORMS",
    "ConditionalBatchNorm2d",
    "Norm",
    "ResidualBlock",
    "downsampler",
    "first_side",
    "halvings",
    "maybe_spectral_norm",
    "normalisation",
    "scaled_convolution",
    "upsamplers",
    "widths",
]

LEAK = 0.2
"""Slope of leaky ReLUs below zero."""

LEAKY_GAIN = sqrt(2 / (1 + LEAK**2))
"""Gain that preserves the variance through a leaky ReLU (He et al. 2015, eq. 15)."""


Norm = Literal["batch", "group"]
NORMS: tuple[Norm, ...] = get_args(Norm)

GROUP = 16
"""Channels of a group of a group normalisation (Wu and He 2018, table 3)."""

EXPANSION = 2
"""Inner channels of a residual block per outer channel."""


class ConditionalBatchNorm2d(nn.Module):
    """Normalisation with a gain and bias per class (Dumoulin et al. 2017, eq. 5, with batch normalisation).

    Args:
        channels: of the features.
        classes: number of classes.
        norm: one of `NORMS`.
    """

    def __init__(self, channels: int, classes: int, norm: Norm = "batch") -> None:
        super().__init__()
        self.norm = normalisation(norm, channels, affine=False)
        self.gain = nn.Embedding(classes, channels)
        self.bias = nn.Embedding(classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, features: Tensor, label: Tensor) -> Tensor:
        """Features (batch, channels, height, width) and labels INT64 (batch,) -> features of the same shape."""
        gain, bias = self.gain(label)[:, :, None, None], self.bias(label)[:, :, None, None]
        return self.norm(features) * gain + bias


class ResidualBlock(nn.Module):
    """x + f(x) without normalisation, f an inverted bottleneck (Huang et al. 2024, section 3, "Config E").

    f is a 1x1 convolution that expands the channels, a grouped 3x3 convolution, and a 1x1 convolution that is
    initialised to zero, so that every block starts as the identity. The initial scale of the other two falls with the
    number of blocks, so that an update changes deep and shallow networks equally (Zhang et al. 2019, "Fixup", section
    3).

    Args:
        channels: of the features.
        depth: residual blocks of the whole network.
        group_size: largest number of channels in a group of the 3x3 convolution.
    """

    def __init__(self, channels: int, depth: int, *, group_size: int = 16) -> None:
        super().__init__()
        inside = EXPANSION * channels
        groups = inside // gcd(inside, group_size)
        scale = depth ** (-1 / 4)  # depth^(-1 / (2m - 2)) for m = 3 convolutions
        self.branch = nn.Sequential(
            scaled_convolution(channels, inside, 1, gain=scale * LEAKY_GAIN),
            nn.LeakyReLU(LEAK),
            scaled_convolution(inside, inside, 3, gain=scale * LEAKY_GAIN, groups=groups),
            nn.LeakyReLU(LEAK),
            scaled_convolution(inside, channels, 1, gain=0.0),
        )

    def forward(self, features: Tensor) -> Tensor:
        """FP32 (batch, channels, height, width) -> the same shape."""
        return features + self.branch(features)


def normalisation(norm: Norm, channels: int, *, affine: bool = True) -> nn.Module:
    """A normalisation of features (batch, channels, height, width).

    Args:
        norm: "batch" over the images of the batch; "group" over channels of each image (Wu and He 2018), which
            does not depend on the batch.
        channels: of the features.
        affine: learn a gain and a bias per channel.

    Raises:
        UsageError: there is no such normalisation.
    """
    if norm not in NORMS:
        raise UsageError(f"norm {norm!r} is not allowed; expected {' or '.join(NORMS)}")
    if norm == "batch":
        return nn.BatchNorm2d(channels, affine=affine)
    return nn.GroupNorm(gcd(channels, max(1, channels // GROUP)), channels, affine=affine)


def scaled_convolution(
    before: int, after: int, kernel: int, *, gain: float = 1.0, groups: int = 1, bias: bool = True
) -> nn.Conv2d:
    """A convolution that preserves the size, initialised by He et al. (2015) with zero biases.

    Args:
        before, after: channels.
        kernel: height and width, odd.
        gain: standard deviation of the outputs for independent inputs of unit variance.
        groups: number of groups of channels.
        bias: whether the layer has a bias.
    """
    layer = nn.Conv2d(before, after, kernel, padding=kernel // 2, groups=groups, bias=bias)
    nn.init.normal_(layer.weight, 0.0, gain / sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def first_side(resolution: int) -> int:
    """Height and width from which repeated doubling reaches a resolution: 4 to 7, for example 7 for 28 and 4 for 32.

    A result above 7 means that doubling cannot reach it.
    """
    side = resolution
    while side >= 8 and side % 2 == 0:
        side //= 2
    return side


def halvings(resolution: int) -> int:
    """Number of halvings from a resolution to its `first_side`."""
    return (resolution // first_side(resolution)).bit_length() - 1


def widths(resolution: int, width: int) -> tuple[int, ...]:
    """Channels of a DCGAN's layers, smallest features first: halved with each doubling, down to `width`."""
    return tuple(width << power for power in reversed(range(halvings(resolution))))


def upsamplers(channels: tuple[int, ...]) -> nn.ModuleList:
    """Transposed convolutions that each double the size (Radford et al. 2016): kernel 4, stride 2, padding 1."""
    layers = [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False) for before, after in pairwise(channels)]
    for layer in layers:
        nn.init.normal_(layer.weight, 0.0, 0.02)
    return nn.ModuleList(layers)


def downsampler(channels: tuple[int, ...], *, spectral: bool) -> nn.Sequential:
    """Convolutions that each halve the size, with leaky ReLUs.

    Args:
        channels: of the image and after each convolution.
        spectral: apply the spectral norm to the weights (Miyato et al. 2018).
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [maybe_spectral_norm(nn.Conv2d(before, after, 4, 2, 1), spectral), nn.LeakyReLU(LEAK)]
    return nn.Sequential(*layers)


def maybe_spectral_norm(layer: nn.Module, spectral: bool) -> nn.Module:
    """The layer, with the spectral norm on its weights if `spectral` is set."""
    return spectral_norm(layer) if spectral else layer
