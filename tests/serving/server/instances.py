"""Processes that look like those which Triton starts for the instances of a model."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WORKER = """
import pathlib, sys, time
from litho.serving.backend.in_hand import InHand
work = InHand(pathlib.Path(sys.argv[1]))
work.accept(2)
print("ready", flush=True)
while sys.argv[2] == "computes":
    pass
read = []
while sys.argv[2] == "reads":
    read.append(bytes([1]) * 2**18)
    time.sleep(0.05)
time.sleep(60)
"""


@contextmanager
def instance(drain: Path, does: str = "nothing") -> Iterator[subprocess.Popen[bytes]]:
    """A child of this process like Triton's of the instance "tiny_0_1", with two requests in hand.

    Args:
        drain: the file beside which it says so.
        does: "nothing", "computes", or "reads": its memory grows, and it hardly computes.
    """
    # Python finds its environment by the folder of its name.
    name = str(Path(sys.executable).with_name("triton_python_backend_stub"))
    arguments = [name, "-c", WORKER, str(drain), does, "", "", "", "tiny_0_1"]
    with subprocess.Popen(arguments, executable=sys.executable, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.kill()
