"""What a caller may ask of any source: the size and colours of the pictures, a limit of memory, news of progress."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import DataError, UsageError
from ...reporting import human_bytes

__all__ = ["MOST_RESOLUTION", "Options", "Progress"]

Progress = Callable[[int, int], None]
"""Is told (pictures read, pictures there are) of one split, now and then and at its end."""

MOST_RESOLUTION = 4096


@dataclass(frozen=True)
class Options:
    """How pictures are to come out.

    Args:
        resolution: height and width in pixels; None keeps the size that the pictures have.
        channels: 1 (grey) or 3 (RGB); None gives grey where every picture is grey, else RGB.
        memory_bytes: most that the decoded pictures of one split may take; by default half of this machine's memory.
        progress: is told how far the reading is.

    Raises:
        UsageError: a value is not allowed.
    """

    resolution: int | None = None
    channels: int | None = None
    memory_bytes: int | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.resolution is not None and not 1 <= self.resolution <= MOST_RESOLUTION:
            raise UsageError(
                f"resolution {self.resolution} is not allowed; it must be 1 to {MOST_RESOLUTION}"
            )
        if self.channels not in (None, 1, 3):
            raise UsageError(
                f"{self.channels} colour channels are not allowed; it must be 1 (grey) or 3 (RGB)"
            )

    def check_memory(self, what: str, count: int, shape: tuple[int, ...]) -> None:
        """Refuse pictures that would not fit the memory, before the room for them is made.

        Args:
            what: what to call them in the message.
            count: how many there are.
            shape: height, width and channels of each.

        Raises:
            DataError: they take more than `most_bytes`.
        """
        needed = count * math.prod(shape)
        if needed > self.most_bytes:
            raise DataError(
                f"{what}: {count} pictures of {shape[1]}x{shape[0]}x{shape[2]} take {human_bytes(needed)} decoded;"
                f" allowed are {human_bytes(self.most_bytes)}: give a smaller resolution, or fewer pictures"
            )

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width in pixels; None where the pictures keep theirs."""
        return None if self.resolution is None else (self.resolution, self.resolution)

    @property
    def most_bytes(self) -> int:
        """The limit of memory, in bytes."""
        if self.memory_bytes is not None:
            return self.memory_bytes
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
