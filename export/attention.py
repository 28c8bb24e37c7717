"""Export of attention on tensors of other than four axes, which torch does not translate to ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["FourAxes"]

_attention = torch.nn.functional.scaled_dot_product_attention


class FourAxes(TorchFunctionMode):
    """Context in which `scaled_dot_product_attention` has the axes (batch, 1, length, features), if it had no four."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func`, or attention with its outer axes as one."""
        kwargs = kwargs or {}
        return _on_four_axes(*args, **kwargs) if func is _attention else func(*args, **kwargs)


def _on_four_axes(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *rest: Any, **named: Any
) -> Tensor:
    outer = query.shape[:-2]
    grouped = named.get("enable_gqa") or len(rest) > 3
    if len(outer) == 2 or grouped or not (outer == key.shape[:-2] == value.shape[:-2]):
        return _attention(query, key, value, attn_mask, *rest, **named)
    if attn_mask is not None and attn_mask.ndim > 2:
        attn_mask = _four(attn_mask.expand(*outer, *attn_mask.shape[-2:]))
    made = _attention(_four(query), _four(key), _four(value), attn_mask, *rest, **named)
    return made.reshape(*outer, *made.shape[-2:])


def _four(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, *values.shape[-2:])
