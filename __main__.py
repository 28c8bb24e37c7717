"""`python -m litho` is the `litho` command, and so is `litho`."""

import os
import signal
from types import FrameType

__all__ = ["main"]

_SAID = b"litho: error: interrupted; no partial file is left; run the same command again\n"


def main() -> None:
    """Run the command line; an interrupt while its verbs are imported is one line too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A shell starts what it puts in the background deaf to Ctrl-C.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    from .cli import main as run

    run()


def _stop(number: int, frame: FrameType | None) -> None:
    os.write(2, _SAID)
    os._exit(1)  # nothing is under way


if __name__ == "__main__":
    main()
