import os
import subprocess
import sys
from pathlib import Path

from litho.serving.server import launch


def launched(parent: int) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "import os; print(os.getppid())"]
    return subprocess.run(
        [sys.executable, "-I", str(Path(launch.__file__)), str(parent), *program],
        capture_output=True,
        text=True,
    )


def test_the_program_takes_the_place_of_the_launcher() -> None:
    done = launched(os.getpid())
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{os.getpid()}\n", "")


def test_without_its_parent_nothing_is_started() -> None:
    done = launched(os.getppid())
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "the parent is gone\n")
