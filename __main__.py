"""`python -m litho` is the `litho` command, and so is `litho`."""

import os
import sys
from types import FrameType
from typing import Any

from .interrupts import INTERRUPTED, handle

__all__ = ["main"]

_STREAMS = {"stdin": "surrogateescape", "stdout": "surrogateescape", "stderr": "backslashreplace"}
"""Standard streams by their numbers -> what becomes of bytes that are no UTF-8."""


def main() -> None:
    """Run the command line; an interrupt while its verbs are imported is one line too."""
    _complete_streams()
    handle(_stop)
    from .cli import main as run

    run()


def _complete_streams() -> None:
    """Open what the caller closed, and write UTF-8 in every locale; a path keeps its bytes."""
    while (spare := os.open(os.devnull, os.O_RDWR)) < len(_STREAMS):
        pass  # a file, or a pipe to a process of litho's own, would get this number
    os.close(spare)
    for number, (name, errors) in enumerate(_STREAMS.items()):
        stream: Any = getattr(sys, name) or open(number, "w" if number else "r", encoding="utf-8")  # noqa: PTH123, SIM115
        stream.reconfigure(encoding="utf-8", errors=errors)
        setattr(sys, name, stream)


def _stop(number: int, frame: FrameType | None) -> None:
    os.write(2, f"litho: error: {INTERRUPTED}\n".encode())
    os._exit(1)  # nothing is under way


if __name__ == "__main__":
    main()
