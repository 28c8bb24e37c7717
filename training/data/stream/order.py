"""The order of the pictures of a stream, as a function of (seed, step) alone: no buffer has a state to save.

The slots of a batch are divided among lanes. In every pass the chunks are put into a random order, and each lane
takes an equal run of the pictures. A lane shuffles a window of them at a time, so that it has few chunks open; the
windows of the lanes end at different steps. A process whose share of the batch covers some lanes reads the chunks of
those alone. Every picture is used once per pass, whatever the batch and the number of processes are, and nothing
depends on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_LANES", "Order", "Window", "lanes_of"]

MOST_LANES = 64

_CHUNKS, _ROWS, _WINDOW = range(3, 6)  # the numbers before belong to `randomness`


@dataclass(frozen=True)
class Window:
    """Consecutive pictures of one lane, shuffled.

    Args:
        first: number of its first picture in the lane, counted over all passes.
        chunks: number of the chunk of each picture, INT64 of shape (pictures,).
        rows: row of each picture in its chunk, INT64 of shape (pictures,).
    """

    first: int
    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]

    @property
    def end(self) -> int:
        """Number of the picture behind the last one."""
        return self.first + len(self.chunks)


def lanes_of(batch: int, count: int, most: int = MOST_LANES) -> int:
    """Number of lanes: the largest divisor of the batch that is at most `most` and the number of pictures."""
    return next(lanes for lanes in range(min(batch, count, most), 0, -1) if batch % lanes == 0)


class Order:
    """Which picture is in which slot of which batch.

    Args:
        seed: of the training.
        sizes: pictures of each chunk, INT64 of shape (chunks,), none of them 0.
        batch: images per step over all processes.
        shuffle_nimg: pictures that all lanes together shuffle at a time.
        most_lanes: fewer lanes have fewer chunks open.
    """

    def __init__(
        self,
        seed: int,
        sizes: NDArray[np.int64],
        batch: int,
        shuffle_nimg: int,
        most_lanes: int = MOST_LANES,
    ) -> None:
        self._seed, self._sizes = seed, sizes
        self.count = int(sizes.sum())
        self.lanes = lanes_of(batch, self.count, most_lanes)
        self._width = batch // self.lanes
        self._window = max(1, shuffle_nimg // self.lanes)
        self._chunks_of_pass = lru_cache(maxsize=2)(self._shuffled_chunks)

    def lane_slots(self, part: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The lane of each slot of a share, and the slot's number in the lane's part of a batch.

        Args:
            part: the share, a slice of the slots of a batch.

        Returns:
            Two arrays INT64 of shape (slots,).
        """
        slots = np.arange(self.lanes * self._width)[part]
        return slots // self._width, slots % self._width

    def lane_position(self, step: int) -> int:
        """Number of a lane's first picture in a step, counted over all passes."""
        return step * self._width

    def window(self, lane: int, position: int) -> Window:
        """The window that holds picture number `position` of a lane."""
        number = self._pass_of(lane, position)
        before = self._before(lane, number)
        length = self._before(lane, number + 1) - before
        first, end = self._bounds(lane, position - before, length)
        start = self._start(lane, number)
        shuffled = np.random.default_rng([self._seed, _WINDOW, number, lane, first]).permutation(end - first)
        chunks, rows = self._pictures(number, start + first, start + end)
        return Window(before + first, chunks[shuffled], rows[shuffled])

    def _pass_of(self, lane: int, position: int) -> int:
        number = max(0, position * self.lanes // self.count - 1)
        while self._before(lane, number + 1) <= position:
            number += 1
        return number

    def _before(self, lane: int, number: int) -> int:
        """Pictures of a lane in the passes before `number`.

        What is left over when the pictures are divided by the lanes is dealt out in turn, from pass to pass.
        """
        share, rest = divmod(self.count, self.lanes)
        return number * share + (number * rest - lane + self.lanes - 1) // self.lanes

    def _start(self, lane: int, number: int) -> int:
        """Position in the pass at which a lane begins."""
        return sum(self._before(other, number + 1) - self._before(other, number) for other in range(lane))

    def _bounds(self, lane: int, offset: int, length: int) -> tuple[int, int]:
        """The window around an offset in a lane's part of a pass; the first ones differ in length."""
        first_end = max(1, self._window * (lane + 1) // self.lanes)
        if offset < first_end:
            return 0, min(first_end, length)
        first = first_end + (offset - first_end) // self._window * self._window
        return first, min(first + self._window, length)

    def _pictures(self, number: int, first: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Chunks and rows of the pictures from `first` to before `end` of a pass."""
        chunks, ends = self._chunks_of_pass(number)
        parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        position = int(np.searchsorted(ends, first, side="right"))
        while first < end:
            chunk, size = int(chunks[position]), int(self._sizes[chunks[position]])
            begin, stop = int(ends[position]) - size, min(int(ends[position]), end)
            rows = np.random.default_rng([self._seed, _ROWS, number, chunk]).permutation(size)
            chosen = rows[first - begin : stop - begin]
            parts.append((np.full(len(chosen), chunk), chosen))
            first, position = stop, position + 1
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _shuffled_chunks(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Order of the chunks in a pass, and the position behind each."""
        chunks = np.random.default_rng([self._seed, _CHUNKS, number]).permutation(len(self._sizes))
        return chunks, np.cumsum(self._sizes[chunks])
