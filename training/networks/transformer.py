"""The transformer's building blocks that text encoders and denoisers share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, silu

from ...errors import UsageError

__all__ = ["Block", "FinalNorm", "head_count", "sinusoids"]

HEAD_WIDTH = 64
"""Values of one head of attention, at most."""

EXPANSION = 4
LONGEST_PERIOD = 10_000.0


class Block(nn.Module):
    """Attention, then a perceptron, each on normalised tokens and added to them (Vaswani et al. 2017).

    With a condition it is the block "adaLN-zero" of Peebles and Xie (2023): the condition shifts and scales what is
    normalised and weighs what is added, which at first is nothing. With a text the tokens attend to the text's as well
    as to each other. Queries and keys are normalised (Henry et al. 2020), so that no learning rate makes attention too
    sharp.

    Args:
        width: of a token.
        condition: width of the condition; 0 for none.
        text: width of a text's tokens; 0 for none.
    """

    def __init__(self, width: int, condition: int = 0, text: int = 0) -> None:
        super().__init__()
        self.heads = head_count(width)
        self.mixed = nn.Linear(width, 3 * width, bias=False)
        self.read = nn.Linear(text, 2 * width, bias=False) if text else None
        self.attended = nn.Linear(width, width)
        self.expanded = nn.Linear(width, EXPANSION * width)
        self.reduced = nn.Linear(EXPANSION * width, width)
        self.sharpness = nn.Parameter(torch.ones(width // self.heads))
        self.modulation = nn.Linear(condition, 6 * width) if condition else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, tokens: Tensor, condition: Tensor | None = None, text: Tensor | None = None) -> Tensor:
        """(batch, count, width), perhaps (batch, condition) and (batch, any, text) -> (batch, count, width)."""
        if self.modulation is None or condition is None:
            tokens = tokens + self._attend(_normalised(tokens), text)
            return tokens + self._perceive(_normalised(tokens))
        changes = self.modulation(silu(condition))[:, None].chunk(6, 2)
        tokens = tokens + changes[2] * self._attend(_modulated(tokens, changes[0], changes[1]), text)
        return tokens + changes[5] * self._perceive(_modulated(tokens, changes[3], changes[4]))

    def _attend(self, tokens: Tensor, text: Tensor | None) -> Tensor:
        query, key, value = self._heads(self.mixed(tokens)).chunk(3, 1)
        if self.read is not None and text is not None:
            keys, values = self._heads(self.read(text)).chunk(2, 1)
            key, value = torch.cat([key, keys], 2), torch.cat([value, values], 2)
        query, key = _normalised(query) * self.sharpness.to(query.dtype), _normalised(key)
        # Written out: of so few tokens the fused form's way back takes PyTorch half of a step on a CPU.
        weights = torch.softmax(query @ key.transpose(2, 3) * query.shape[3] ** -0.5, -1)
        return self.attended((weights @ value).transpose(1, 2).reshape(tokens.shape))

    def _heads(self, mixed: Tensor) -> Tensor:
        """(batch, count, k * width) -> (batch, k * heads, count, width / heads)."""
        batch, count, _ = mixed.shape
        return mixed.reshape(batch, count, -1, len(self.sharpness)).transpose(1, 2)

    def _perceive(self, tokens: Tensor) -> Tensor:
        return self.reduced(gelu(self.expanded(tokens)))


class FinalNorm(nn.Module):
    """A normalisation that a condition shifts and scales, for the end of a transformer.

    Args:
        width: of a token.
        condition: width of the condition.
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(condition, 2 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """(batch, count, width) and (batch, condition) -> (batch, count, width)."""
        return _modulated(tokens, *self.modulation(silu(condition))[:, None].chunk(2, 2))


def head_count(width: int) -> int:
    """Heads of attention for tokens of a width.

    Raises:
        UsageError: the width cannot be shared by them evenly.
    """
    heads = max(1, width // HEAD_WIDTH)
    if width % heads:
        raise UsageError(
            f"width {width} is not allowed; {heads} heads cannot share it: take a multiple of {HEAD_WIDTH}"
            " (--set width=...)"
        )
    return heads


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sines and cosines of positions, their periods from 2 pi to 10,000 times that (Vaswani et al. 2017, 3.5).

    Args:
        positions: FP32 of shape (count,).
        width: an even number.

    Returns:
        FP32 of shape (count, width).
    """
    half = width // 2
    powers = torch.arange(half, dtype=torch.float32, device=positions.device) / half
    angles = positions[:, None] * torch.exp(powers * -math.log(LONGEST_PERIOD))
    return torch.cat([angles.cos(), angles.sin()], 1)


def _normalised(tokens: Tensor) -> Tensor:
    return layer_norm(tokens, tokens.shape[-1:])


def _modulated(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.addcmul(shift, _normalised(tokens), 1 + scale)
