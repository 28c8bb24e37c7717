"""Fixtures of the command line's tests: call it in a shell's way or in this process, and read the line of an error."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from litho.cli import main

Command = Callable[..., subprocess.CompletedProcess[str]]
"""Calls `litho` with these words, in the folder `cwd`."""

Complaint = Callable[[subprocess.CompletedProcess[str]], str]
"""Gives the error of a command that failed."""


@pytest.fixture(scope="session")
def litho_command() -> Command:
    """Call `litho` with these words, in this folder, as a shell does."""

    def call(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "litho", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200"},
        )

    return call


@pytest.fixture
def litho_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The same in this process, which has imported already what a verb needs."""

    def call(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        given = list(map(str, words))
        monkeypatch.setattr(sys, "argv", ["litho", *given])
        monkeypatch.setenv("COLUMNS", "200")
        if cwd is not None:
            monkeypatch.chdir(cwd)
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(given, ended.value.code, printed.out, printed.err)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    policy = os.sched_getscheduler(0)
    yield call
    os.sched_setscheduler(0, policy, os.sched_param(0))  # a gateway chooses one
    for number, handler in before.items():
        signal.signal(number, handler)
    logger = logging.getLogger("litho")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


@pytest.fixture(scope="session")
def error_of() -> Complaint:
    """The line of a command that failed."""

    def read(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode in (1, 2), done
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("litho: error: ")]
        assert "Traceback" not in done.stderr
        return line

    return read
