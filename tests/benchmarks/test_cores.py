"""Cores of the server's own: what is started on them stays there."""

import os
import subprocess
import sys

import pytest

from litho.benchmarks.cores import Cores, only_on, split_cores
from litho.errors import UsageError

WHICH = "import os; print(sorted(os.sched_getaffinity(0)))"


def test_server_and_clients_share_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 8, 1, 6, 2})
    assert split_cores() == Cores(server=(1, 2), clients=(3, 6, 8))


def test_one_core_cannot_be_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    with pytest.raises(UsageError, match="need a core each"):
        split_cores()


def test_a_process_keeps_to_the_cores_that_it_was_started_on() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    with only_on((core,)):
        done = subprocess.run([sys.executable, "-c", WHICH], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[{core}]"
    assert os.sched_getaffinity(0) == before


def test_nothing_changes_where_no_cores_are_named() -> None:
    before = os.sched_getaffinity(0)
    with only_on(None):
        assert os.sched_getaffinity(0) == before
