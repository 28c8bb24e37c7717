"""Start a program that must not outlive its parent: `python -I launch.py PARENT PROGRAM [ARGUMENT ...]`.

The kernel sends this process SIGTERM when the thread that started it ends, also after exec. This works even if the
parent is killed.
"""

import ctypes
import os
import signal
import sys

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>


def main(arguments: list[str]) -> None:
    """Ask the kernel to end this process with its parent, then become the program.

    Args:
        arguments: the parent's process id, then the program and its arguments.
    """
    parent, *command = arguments
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM):
        sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
    # If the parent died before the call above, nothing would end this process.
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
