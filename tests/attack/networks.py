"""Tiny forms of published networks, written as their papers and reference code do and not as litho would like them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ESRGAN", "BigGAN", "StyleGAN2", "Swin", "Transformer", "style_noises"]


class Gain(nn.Module):
    """A gain after layers whose own weights cannot be scaled, as with spectral norm or demodulation."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.value


# StyleGAN2 -------------------------------------------------------------------------------------------


class EqualLinear(nn.Module):
    """A linear layer whose stored weights have unit variance: it computes with `weight * scale`."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class ModulatedConv(nn.Module):
    """The unfused form: styles scale the inputs of one convolution, demodulation its outputs."""

    def __init__(self, inputs: int, outputs: int, size: int, styles: int, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.style = EqualLinear(styles, inputs, bias=1.0)
        self.scale, self.demodulate = 1 / math.sqrt(inputs * size**2), demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, weight = self.style(w), self.weight * self.scale
        x = F.conv2d(x * style[:, :, None, None], weight, padding=weight.shape[2] // 2)
        if self.demodulate:
            power = (style.square()[:, None] * weight.square().sum((2, 3))[None]).sum(2)
            x = x * torch.rsqrt(power + 1e-8)[:, :, None, None]
        return x


class StyledConv(nn.Module):
    def __init__(self, inputs: int, outputs: int, styles: int, upsample: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, styles)
        self.noise_strength = nn.Parameter(torch.tensor(0.3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.upsample = upsample

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        if self.upsample:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.conv(x, w) + self.noise_strength * noise + self.bias[:, None, None]
        return F.leaky_relu(x, 0.2) * math.sqrt(2)


class ToRGB(nn.Module):
    def __init__(self, inputs: int, styles: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, 1, styles, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3, 1, 1))

    def forward(self, x: Tensor, w: Tensor, skip: Tensor | None) -> Tensor:
        image = self.conv(x, w) + self.bias
        if skip is None:
            return image
        return image + F.interpolate(skip, scale_factor=2, mode="bilinear", align_corners=False)


class StyleGAN2(nn.Module):
    """Mapping network, truncation, modulated convolutions with a noise each, and RGB skips; `resolution` pixels."""

    def __init__(self, resolution: int = 16, width: int = 16, styles: int = 16) -> None:
        super().__init__()
        self.mapping = nn.ModuleList(EqualLinear(styles, styles, rate=0.1) for _ in range(3))
        self.average = nn.Buffer(torch.randn(styles) * 0.3)
        self.constant = nn.Parameter(torch.randn(1, width, 4, 4))
        self.first, self.first_rgb = StyledConv(width, width, styles, False), ToRGB(width, styles)
        doublings = int(math.log2(resolution)) - 2
        self.convs = nn.ModuleList(
            StyledConv(width, width, styles, upsample) for _ in range(doublings) for upsample in (True, False)
        )
        self.rgbs = nn.ModuleList(ToRGB(width, styles) for _ in range(doublings))
        self.to_range = Gain()

    def forward(self, z: Tensor, truncation: Tensor, **noises: Tensor) -> Tensor:
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            w = F.leaky_relu(layer(w), 0.2) * math.sqrt(2)
        w = self.average + truncation[:, None] * (w - self.average)
        first, *others = noises.values()
        x = self.first(self.constant.expand(z.shape[0], -1, -1, -1), w, first)
        image = self.first_rgb(x, w, None)
        for index, rgb in enumerate(self.rgbs):
            x = self.convs[2 * index](x, w, others[2 * index])
            x = self.convs[2 * index + 1](x, w, others[2 * index + 1])
            image = rgb(x, w, image)
        return self.to_range(image)


def style_noises(resolution: int) -> dict[str, list[int]]:
    """Argument of `StyleGAN2` -> shape of its noise."""
    sides = [4] + [side for side in (8, 16, 32, 64) if side <= resolution for _ in range(2)]
    return {f"noise_{index}": [1, side, side] for index, side in enumerate(sides)}


# BigGAN ----------------------------------------------------------------------------------------------


class ConditionalNorm(nn.Module):
    """Batch norm whose gain and bias are linear in the class and a part of the noise."""

    def __init__(self, channels: int, conditions: int, spectral: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = spectral(nn.Linear(conditions, channels, bias=False))
        self.bias = spectral(nn.Linear(conditions, channels, bias=False))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = 1 + self.gain(condition), self.bias(condition)
        return self.norm(x) * gain[:, :, None, None] + bias[:, :, None, None]


class BigBlock(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, conditions: int, spectral: Callable[[nn.Module], nn.Module]
    ) -> None:
        super().__init__()
        self.norm1 = ConditionalNorm(inputs, conditions, spectral)
        self.norm2 = ConditionalNorm(outputs, conditions, spectral)
        self.conv1 = spectral(nn.Conv2d(inputs, outputs, 3, padding=1))
        self.conv2 = spectral(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = spectral(nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = F.interpolate(F.relu(self.norm1(x, condition)), scale_factor=2)
        h = self.conv2(F.relu(self.norm2(self.conv1(h), condition)))
        return h + self.skip(F.interpolate(x, scale_factor=2))


class SelfAttention(nn.Module):
    """As in SAGAN: keys and values of a map of half the size."""

    def __init__(self, channels: int, spectral: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.query = spectral(nn.Conv2d(channels, channels // 4, 1, bias=False))
        self.key = spectral(nn.Conv2d(channels, channels // 4, 1, bias=False))
        self.value = spectral(nn.Conv2d(channels, channels // 2, 1, bias=False))
        self.out = spectral(nn.Conv2d(channels // 2, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.tensor(0.7))

    def forward(self, x: Tensor) -> Tensor:
        query, key = self.query(x).flatten(2), F.max_pool2d(self.key(x), 2).flatten(2)
        value = F.max_pool2d(self.value(x), 2).flatten(2)
        weights = torch.softmax(torch.bmm(query.transpose(1, 2), key), -1)
        mixed = torch.bmm(value, weights.transpose(1, 2)).reshape(x.shape[0], -1, *x.shape[2:])
        return self.gamma * self.out(mixed) + x


class BigGAN(nn.Module):
    """Class and parts of the noise reach every conditional norm; every layer has spectral norm; 16x16 pixels."""

    def __init__(
        self, spectral: Callable[[nn.Module], nn.Module], classes: int = 10, width: int = 16
    ) -> None:
        super().__init__()
        self.shared = nn.Embedding(classes, 8)
        self.linear = spectral(nn.Linear(8, width * 16))
        self.blocks = nn.ModuleList(BigBlock(width, width, 16, spectral) for _ in range(2))
        self.attention = SelfAttention(width, spectral)
        self.norm = nn.BatchNorm2d(width)
        self.to_rgb = spectral(nn.Conv2d(width, 3, 3, padding=1))
        self.to_range = Gain()
        self._settle(classes)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        first, *parts = z.chunk(3, 1)
        shared = self.shared(label)
        x = self.linear(first).reshape(z.shape[0], -1, 4, 4)
        for index, (block, part) in enumerate(zip(self.blocks, parts, strict=True)):
            x = block(x, torch.cat([shared, part], 1))
            if index == 0:
                x = self.attention(x)
        return torch.tanh(self.to_range(self.to_rgb(F.relu(self.norm(x)))))

    @torch.no_grad()
    def _settle(self, classes: int) -> None:
        """A few steps in training mode give running statistics and singular vectors of their own."""
        for _ in range(8):
            self.train()(torch.randn(32, 24), torch.randint(classes, (32,)))


# Restoration and transformers ------------------------------------------------------------------------


class DenseBlock(nn.Module):
    """Three convolutions that see everything before them, and residual scaling."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels + index * growth, growth if index < 2 else channels, 3, padding=1)
            for index in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for conv in self.convs[:-1]:
            seen.append(F.leaky_relu(conv(torch.cat(seen, 1)), 0.2))
        return x + 0.2 * self.convs[-1](torch.cat(seen, 1))


class ESRGAN(nn.Module):
    """A residual of residual dense blocks, nearest upsampling and convolutions: a picture of twice the size."""

    def __init__(self, width: int = 12, growth: int = 6) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.block = nn.Sequential(DenseBlock(width, growth), DenseBlock(width, growth))
        self.trunk, self.up = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.high, self.last = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, source: Tensor) -> Tensor:
        x = first = self.first(source)
        x = x + 0.2 * self.block(x)
        x = F.interpolate(first + self.trunk(x), scale_factor=2, mode="nearest")
        x = F.leaky_relu(self.up(x), 0.2)
        return self.last(F.leaky_relu(self.high(x), 0.2))


class WindowAttention(nn.Module):
    """Attention in windows of 4x4 with relative position bias; shifted ones roll the map and mask the seams."""

    def __init__(self, side: int, width: int, heads: int, shift: int, window: int = 4) -> None:
        super().__init__()
        self.side, self.heads, self.shift, self.window = side, heads, shift, window
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, heads) * 0.5)
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        apart = at[:, :, None] - at[:, None] + window - 1
        self.relative = nn.Buffer(apart[0] * (2 * window - 1) + apart[1], persistent=False)
        region = torch.zeros(side, side)
        for index, part in enumerate((slice(-window), slice(-window, -shift), slice(-shift, None))):
            region[part] += 3 * index
            region[:, part] += index
        regions = self._windows(region[None, :, :, None])[..., 0]
        self.mask = nn.Buffer((regions[:, :, None] != regions[:, None]) * -100.0, persistent=False)

    def _windows(self, x: Tensor) -> Tensor:
        """(batch, side, side, channels) -> (batch * windows, values in a window, channels)."""
        count, size = self.side // self.window, self.window
        parts = x.reshape(-1, count, size, count, size, x.shape[-1]).transpose(2, 3)
        return parts.reshape(-1, size**2, x.shape[-1])

    def forward(self, x: Tensor) -> Tensor:
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        parts = self._windows(x)
        values, width = parts.shape[1:]
        qkv = self.qkv(parts).reshape(-1, values, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = (qkv[0] * (width // self.heads) ** -0.5) @ qkv[1].transpose(-2, -1)
        bias = self.table[self.relative.flatten()].reshape(values, values, -1).permute(2, 0, 1)
        scores = scores + bias[None]
        if self.shift:
            windows = (self.side // self.window) ** 2
            scores = scores.reshape(-1, windows, self.heads, values, values) + self.mask[:, None]
            scores = scores.reshape(-1, self.heads, values, values)
        mixed = (scores.softmax(-1) @ qkv[2]).transpose(1, 2).reshape(-1, values, width)
        count = self.side // self.window
        x = self.out(mixed).reshape(-1, count, count, self.window, self.window, width).transpose(2, 3)
        x = x.reshape(-1, self.side, self.side, width)
        return torch.roll(x, (self.shift, self.shift), (1, 2)) if self.shift else x


class Swin(nn.Module):
    """Tokens of the noise, blocks of plain and shifted window attention, pixel shuffle; 16x16 pixels."""

    def __init__(self, side: int = 8, width: int = 24) -> None:
        super().__init__()
        self.tokens = nn.Linear(16, side * side * width)
        self.side, self.width = side, width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.attentions = nn.ModuleList(WindowAttention(side, width, 3, shift) for shift in (0, 2))
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(2)
        )
        self.last = nn.Conv2d(width, 12, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.tokens(z).reshape(-1, self.side, self.side, self.width)
        for index, (attention, network) in enumerate(zip(self.attentions, self.networks, strict=True)):
            x = x + attention(self.norms[2 * index](x))
            x = x + network(self.norms[2 * index + 1](x))
        return F.pixel_shuffle(self.last(x.permute(0, 3, 1, 2)), 2)


class Transformer(nn.Module):
    """torch's own encoder over patches of 4x4; 16x16 pixels."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.tokens = nn.Linear(16, 16 * width)
        self.positions = nn.Parameter(torch.randn(16, width) * 0.3)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.1, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.Linear(width, 48)

    def forward(self, z: Tensor) -> Tensor:
        x = self.encoder(self.tokens(z).reshape(z.shape[0], 16, -1) + self.positions)
        x = self.last(x).reshape(-1, 4, 4, 3, 4, 4)
        return torch.tanh(x.permute(0, 3, 1, 4, 2, 5).reshape(-1, 3, 16, 16))
