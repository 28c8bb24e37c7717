"""The building blocks that several families share."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["ConditionalBatchNorm2d", "downsampler", "first_side", "halvings", "upsamplers", "widths"]


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


def downsampler(channels: tuple[int, ...]) -> nn.Sequential:
    """Convolutions that each halve the picture, spectrally normalised (Miyato et al. 2018), with leaky ReLUs."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [spectral_norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)
