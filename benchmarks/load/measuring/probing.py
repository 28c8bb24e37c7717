"""What a window does besides: it sends probes, whose pictures come back, and reads what it uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..documents.resources import Resources

__all__ = ["Gauge", "Probes"]


class Gauge(Protocol):
    """Reads what a window uses besides time."""

    def begin(self, process_ids: Sequence[int]) -> None:
        """The window opens; the load comes from these processes, or from this one if there are none."""

    def end(self) -> Resources | None:
        """What it has used."""


@dataclass(frozen=True)
class Probes:
    """Inputs whose right pictures are known.

    Args:
        inputs: field name -> array of shape (probes, ...), checked.
    """

    inputs: dict[str, NDArray[Any]]

    def parts(self, batch: int) -> tuple[list[dict[str, NDArray[Any]]], list[NDArray[np.int64]]]:
        """Inputs of `batch` pictures each, with all probes in turn, and the numbers of the probes of each."""
        count = len(next(iter(self.inputs.values())))
        rows = np.arange(-(-count // batch) * batch) % count
        numbers = [part.astype(np.int64) for part in rows.reshape(-1, batch)]
        return [{name: array[part] for name, array in self.inputs.items()} for part in numbers], numbers
