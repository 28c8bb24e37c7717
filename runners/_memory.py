"""Memory that a runtime has freed goes back to the system: to open a graph takes several times its weights.

GNU's C library keeps what was freed between blocks that are in use, for its own process. A runner is opened once and
then runs for days, and a server has several.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["return_unused_memory"]


def return_unused_memory() -> None:
    """Return memory that was given up to the system, where the C library can."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
