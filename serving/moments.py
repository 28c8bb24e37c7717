"""The time as logs and receipts give it."""

from __future__ import annotations

import time
from functools import lru_cache

__all__ = ["now"]


def now() -> str:
    """The time in UTC with milliseconds, such as "2026-01-31T12:00:00.000Z" (ISO 8601)."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z"


@lru_cache(2)  # a gateway asks hundreds of times a second
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
