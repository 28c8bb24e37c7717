"""`python -m litho` is the `litho` command, and so is `litho`."""

import os
from types import FrameType

from .interrupts import INTERRUPTED, handle

__all__ = ["main"]


def main() -> None:
    """Run the command line; an interrupt while its verbs are imported is one line too."""
    handle(_stop)
    from .cli import main as run

    run()


def _stop(number: int, frame: FrameType | None) -> None:
    os.write(2, f"litho: error: {INTERRUPTED}\n".encode())
    os._exit(1)  # nothing is under way


if __name__ == "__main__":
    main()
