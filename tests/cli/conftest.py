"""What tests of the command line share: calling it as a shell does, and the one line of a refusal."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def litho_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`litho` with these words, in this folder."""

    def call(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "litho", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200"},
        )

    return call


@pytest.fixture(scope="session")
def error_of() -> Callable[[subprocess.CompletedProcess[str]], str]:
    """The one line of a refused command."""

    def read(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode in (1, 2), done
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("litho: error: ")]
        assert "Traceback" not in done.stderr
        return line

    return read
