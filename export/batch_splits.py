"""Export of what halves a batch or a picture of free size: `chunk` and `split`, as classifier-free guidance has them.

Torch counts the parts of an axis whose extent it does not know by a formula that holds for a single extent only, and
so fixes the batch. Where the number of parts follows from the module alone, slices give the same parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import SymInt, Tensor
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.overrides import TorchFunctionMode

__all__ = ["BatchSplits"]

_MOST_PARTS = 16


class BatchSplits(TorchFunctionMode):
    """Context in which `chunk` and `split` of an axis of free extent give slices, if as many for every extent."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func`, or give the slices in its place."""
        kwargs = kwargs or {}
        parts = None
        if func in (torch.chunk, Tensor.chunk):
            parts = _chunks(*args, **kwargs)
        elif func in (torch.split, Tensor.split):
            parts = _splits(*args, **kwargs)
        return func(*args, **kwargs) if parts is None else parts


def _chunks(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...] | None:
    extent = input.shape[dim]
    if not isinstance(extent, SymInt) or not statically_known_true(extent % chunks == 0):
        return None
    return _slices(input, extent // chunks, chunks, dim)


def _splits(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...] | None:
    extent, size = tensor.shape[dim], split_size_or_sections
    if not isinstance(extent, SymInt) or not isinstance(size, SymInt):
        return None
    counts = (count for count in range(1, _MOST_PARTS + 1) if _is_part(size, extent, count))
    return None if (count := next(counts, None)) is None else _slices(tensor, size, count, dim)


def _is_part(size: SymInt, extent: SymInt, count: int) -> bool:
    if statically_known_true(extent == count * size):
        return True
    # Of an extent that is only known to be divisible.
    return statically_known_true(extent % count == 0) and statically_known_true(size == extent // count)


def _slices(whole: Tensor, size: Any, count: int, dim: int) -> tuple[Tensor, ...]:
    return tuple(whole.narrow(dim, index * size, size) for index in range(count))
