"""Transformer layers of text encoders and denoisers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, silu

from ...errors import UsageError

__all__ = ["Block", "FinalNorm", "head_count", "sinusoids"]

HEAD_WIDTH = 64
"""Largest width of an attention head."""

EXPANSION = 4
LONGEST_PERIOD = 10_000.0


class Block(nn.Module):
    """Pre-norm transformer block: attention, then a perceptron, each with a residual connection (Vaswani et al. 2017).

    With a condition it is the "adaLN-zero" block of Peebles and Xie (2023): the condition shifts and scales the
    normalised tokens and gates the residuals, which start at zero. With a text the tokens also attend to the text's
    tokens. Queries and keys are normalised (Henry et al. 2020), which keeps attention stable at high learning rates.

    Args:
        width: of a token.
        condition: width of the condition; 0 for none.
        text: width of the text's tokens; 0 for none.
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
        """(batch, count, width), optionally (batch, condition) and (batch, any, text) -> (batch, count, width)."""
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
        # Not fused: for so few tokens the backward pass of the fused form takes half of a training step on a CPU.
        weights = torch.softmax(query @ key.transpose(2, 3) * query.shape[3] ** -0.5, -1)
        return self.attended((weights @ value).transpose(1, 2).reshape(tokens.shape))

    def _heads(self, mixed: Tensor) -> Tensor:
        """(batch, count, k * width) -> (batch, k * heads, count, width / heads)."""
        batch, count, _ = mixed.shape
        return mixed.reshape(batch, count, -1, len(self.sharpness)).transpose(1, 2)

    def _perceive(self, tokens: Tensor) -> Tensor:
        return self.reduced(gelu(self.expanded(tokens)))


class FinalNorm(nn.Module):
    """Layer normalisation with shift and scale from a condition, for the end of a transformer.

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
    """Number of attention heads for a token width.

    Raises:
        UsageError: the width is not a multiple of the number of heads.
    """
    heads = max(1, width // HEAD_WIDTH)
    if width % heads:
        raise UsageError(
            f"width {width} is not allowed; expected a multiple of {HEAD_WIDTH} for {heads} heads"
            " (--set width=...)"
        )
    return heads


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sinusoidal embeddings with periods from 2 pi to 20,000 pi (Vaswani et al. 2017, section 3.5).

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
