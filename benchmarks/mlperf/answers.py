"""Answers to LoadGen, which reads a picture where the runner left it: nothing is copied for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...extras import require

__all__ = ["MAX_FAILURES", "Answers"]

MAX_FAILURES = 100
"""This many failures in a row end a run: the target is gone, or never answered."""


class Answers:
    """Hands pictures to LoadGen, and counts what it cannot: LoadGen knows no failed query.

    Args:
        shape: of a picture.
        gone: called with the first message when `MAX_FAILURES` requests in a row have failed.

    Attributes:
        gone: see above.
        answered: samples answered with a picture.
        failed: message -> number of samples whose request failed; LoadGen gets an empty answer for them.
        waiting: samples that LoadGen asked for and that have no answer yet.
        last: when the last picture came, by `time.monotonic`.
    """

    def __init__(self, shape: tuple[int, ...], gone: Callable[[str], object]) -> None:
        loadgen = require("mlperf_loadgen", "loadgen")
        self._complete, self._response = loadgen.QuerySamplesComplete, loadgen.QuerySampleResponse
        self._shape, self._size, self.gone = shape, int(np.prod(shape)), gone
        self._row = 0
        self.answered = self.waiting = 0
        self.failed: Counter[str] = Counter()
        self.last = time.monotonic()

    def pictures(self, ids: Sequence[int], images: NDArray[np.uint8]) -> None:
        """Answer samples with pictures, UINT8 of shape (samples, height, width, channels), C-contiguous."""
        if images.dtype != np.uint8 or images.shape != (len(ids), *self._shape):
            self.failure(
                ids, f"the answer is {images.dtype} of shape {images.shape}, not {len(ids)} pictures"
            )
            return
        self._row, self.last = 0, time.monotonic()
        self.answered += len(ids)
        self.waiting -= len(ids)
        address, size, response = images.__array_interface__["data"][0], self._size, self._response
        self._complete([response(one, address + row * size, size) for row, one in enumerate(ids)])

    def failure(self, ids: Sequence[int], message: str) -> None:
        """Give samples up: their request failed."""
        self.failed[" ".join(message.split())] += len(ids)
        self._row += 1
        if self._row >= MAX_FAILURES:
            self.gone(message)
        self.waiting -= len(ids)
        self._complete([self._response(one, 0, 0) for one in ids])
