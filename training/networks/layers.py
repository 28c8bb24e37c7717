"""The building blocks that several families share."""

from __future__ import annotations

from itertools import pairwise
from math import gcd, sqrt

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = [
    "ConditionalBatchNorm2d",
    "ResidualBlock",
    "downsampler",
    "first_side",
    "halvings",
    "maybe_spectral_norm",
    "scaled_convolution",
    "upsamplers",
    "widths",
]

LEAK = 0.2
"""Slope of leaky ReLUs below zero."""

LEAKY_GAIN = sqrt(2 / (1 + LEAK**2))
"""Gain that keeps the variance through a leaky ReLU (He et al. 2015, eq. 15)."""


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalisation whose gain and bias belong to a class (Dumoulin et al. 2017, eq. 5).

    Args:
        channels: of the features.
        classes: how many there are.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
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

    f expands the channels by a 1x1 convolution, mixes each pixel with its neighbours by a 3x3 one in groups, and comes
    back by a 1x1 one that is zero at first: every block begins as the identity. The other two begin smaller the more
    blocks there are, so that an update moves the whole network by as much as that of a shallow one (Zhang et al. 2019,
    "Fixup", section 3).

    Args:
        channels: of the features.
        depth: residual blocks of the whole network.
        expansion: channels inside for each one outside.
        group_size: channels of one group of the 3x3 convolution, at most.
    """

    def __init__(self, channels: int, depth: int, *, expansion: int = 2, group_size: int = 16) -> None:
        super().__init__()
        inside = channels * expansion
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


def scaled_convolution(
    before: int, after: int, kernel: int, *, gain: float = 1.0, groups: int = 1, bias: bool = True
) -> nn.Conv2d:
    """A convolution that keeps the size of the picture, its first weights drawn by He et al. (2015), its biases zero.

    Args:
        before, after: channels.
        kernel: height and width, odd.
        gain: standard deviation of the answers to independent inputs of unit variance.
        groups: of channels that do not see each other.
        bias: whether there is one.
    """
    layer = nn.Conv2d(before, after, kernel, padding=kernel // 2, groups=groups, bias=bias)
    nn.init.normal_(layer.weight, 0.0, gain / sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def first_side(resolution: int) -> int:
    """Height and width of the features that doubling layers start from: 4 to 7, as 7 for 28 and 4 for 32.

    A number above 7 means that no doubling ends at `resolution`.
    """
    side = resolution
    while side >= 8 and side % 2 == 0:
        side //= 2
    return side


def halvings(resolution: int) -> int:
    """How often a picture is halved until it has its `first_side`."""
    return (resolution // first_side(resolution)).bit_length() - 1


def widths(resolution: int, width: int) -> tuple[int, ...]:
    """Channels of a DCGAN's layers from the smallest up: they halve as the picture doubles, and end with `width`."""
    return tuple(width << power for power in reversed(range(halvings(resolution))))


def upsamplers(channels: tuple[int, ...]) -> nn.ModuleList:
    """Transposed convolutions that each double the picture (Radford et al. 2016): kernel 4, stride 2, padding 1."""
    layers = [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False) for before, after in pairwise(channels)]
    for layer in layers:
        nn.init.normal_(layer.weight, 0.0, 0.02)
    return nn.ModuleList(layers)


def downsampler(channels: tuple[int, ...], *, spectral: bool) -> nn.Sequential:
    """Convolutions that each halve the picture, with leaky ReLUs.

    Args:
        channels: of the picture and after each convolution.
        spectral: normalise the weights spectrally (Miyato et al. 2018).
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [maybe_spectral_norm(nn.Conv2d(before, after, 4, 2, 1), spectral), nn.LeakyReLU(LEAK)]
    return nn.Sequential(*layers)


def maybe_spectral_norm(layer: nn.Module, spectral: bool) -> nn.Module:
    """The layer, its weights divided by their largest singular value where `spectral` is set."""
    return spectral_norm(layer) if spectral else layer
