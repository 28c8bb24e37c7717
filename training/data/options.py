"""Options of all data sources: size and channels of the pictures, memory limit."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from ...errors import DataError, UsageError
from ...reporting import human_bytes

__all__ = ["MOST_RESOLUTION", "Options"]

MOST_RESOLUTION = 4096


@dataclass(frozen=True)
class Options:
    """Requested form of the pictures.

    Args:
        resolution: height and width in pixels; None keeps the original size.
        channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA); None gives grey if every picture is grey, else
            RGB.
        memory_bytes: largest size of one decoded split; by default half of this machine's memory.

    Raises:
        UsageError: a value is not allowed.
    """

    resolution: int | None = None
    channels: int | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.resolution is not None and not 1 <= self.resolution <= MOST_RESOLUTION:
            raise UsageError(f"resolution {self.resolution} is not allowed; expected 1 to {MOST_RESOLUTION}")
        if self.channels not in (None, 1, 2, 3, 4):
            raise UsageError(
                f"{self.channels} channels are not allowed; expected 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA)"
            )

    def check_memory(self, what: str, count: int, shape: tuple[int, ...]) -> None:
        """Check that pictures fit the memory limit, before memory is allocated.

        Args:
            what: name of the data, for the message.
            count: number of pictures.
            shape: height, width and channels of each.

        Raises:
            DataError: the pictures take more than `most_bytes`.
        """
        needed = count * math.prod(shape)
        if needed > self.most_bytes:
            raise DataError(
                f"{what}: {count} pictures of {shape[1]}x{shape[0]}x{shape[2]} take {human_bytes(needed)} decoded,"
                f" more than the limit of {human_bytes(self.most_bytes)}; give a smaller resolution or fewer pictures"
            )

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width in pixels; None keeps the original size."""
        return None if self.resolution is None else (self.resolution, self.resolution)

    @property
    def most_bytes(self) -> int:
        """The memory limit, in bytes."""
        if self.memory_bytes is not None:
            return self.memory_bytes
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
