"""What others use is told apart from what the measurement uses."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from litho.benchmarks.capacity.others import Others

BUSY = """
import time
while time.process_time() < 0.5:
    pass
"""


@contextmanager
def running(code: str) -> Iterator[int]:
    """Id of a process that has run the code and sleeps until the block ends."""
    code += "\nimport sys\nprint(flush=True)\nsys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def test_a_process_that_is_no_child_of_the_server_counts_as_others() -> None:
    # Both watch the same process; only for the first is it an instance of the server.
    with running("") as server:
        with_children, without = Others(os.getpid()), Others(server)
        with running(BUSY):
            ours, theirs = with_children.share(), without.share()
    assert 0 <= ours < theirs <= 1
