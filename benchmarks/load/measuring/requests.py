"""Inputs for a load, never the same twice, at little cost for the load generator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....signature import Signature
from ....signature.fields import Role
from ....signature.noise import MAX_SEED

__all__ = ["Requests"]

MAX_BLOCK_BYTES = 16 << 20
MAX_BLOCK_ROWS = 4096


class Requests:
    """An endless supply of example inputs of a signature, with a new seed for every image.

    Rows are drawn in blocks and returned as slices: to draw each request alone would take as long as a small server
    takes to answer it. Seeds count up from `first_seed`, so no cache can have seen one.

    Args:
        signature: of the runner.
        first_seed: seed of the first image, in [0, 2**63 - 1]; 0 follows the largest seed.

    Attributes:
        first_seed: seed of the first image.
        pictures: number of images requested so far.
    """

    def __init__(self, signature: Signature, first_seed: int) -> None:
        self._signature = signature
        self.first_seed = first_seed
        self._seeds = [field.name for field in signature.inputs if field.role is Role.SEED]
        self._row_bytes = max(1, sum(array.nbytes for array in signature.example(1).values()))
        self._block: dict[str, NDArray[Any]] = {}
        self._next_row = self._rows = self._blocks = 0
        self.pictures = 0

    def take(self, batch: int) -> dict[str, NDArray[Any]]:
        """Inputs of one request: field name -> array of shape (batch, ...), as the signature says."""
        if self._next_row + batch > self._rows:
            self._draw(batch)
        rows = slice(self._next_row, self._next_row + batch)
        self._next_row += batch
        self.pictures += batch
        return {name: array[rows] for name, array in self._block.items()}

    def _draw(self, batch: int) -> None:
        self._rows = max(batch, min(MAX_BLOCK_ROWS, MAX_BLOCK_BYTES // self._row_bytes))
        self._block = self._signature.example(self._rows, seed=self._blocks)
        first = self.first_seed + self.pictures
        for name in self._seeds:
            # Unsigned arithmetic wraps round: the mask turns the number after the largest seed into 0.
            counted = np.arange(self._rows, dtype=np.uint64) + np.uint64(first % 2**64)
            self._block[name] = (counted & np.uint64(MAX_SEED)).astype(np.int64)
        self._next_row = 0
        self._blocks += 1
