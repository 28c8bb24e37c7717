"""Cores of the server's own: what is started on them stays there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from litho.benchmarks.shared.cores import Cores, apart, cores_of, only_on, split_cores
from litho.errors import UsageError

WHICH = "import os; print(sorted(os.sched_getaffinity(0)))"


def test_server_and_clients_share_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 8, 1, 6, 2})
    assert split_cores() == Cores(server=(1, 2), clients=(3, 6, 8))


def test_one_core_cannot_be_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    with pytest.raises(UsageError, match="need a core each"):
        split_cores()


def test_cores_are_shared_where_there_is_one_or_where_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {4, 5})
    assert cores_of(share=False) == Cores(server=(4,), clients=(5,))
    assert cores_of(share=True) is None
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {4})
    assert cores_of(share=False) is None


def test_cores_are_counted_in_words() -> None:
    cores = Cores(server=(0,), clients=(1, 2))
    assert cores.said("the server", "the tools") == "the server on 1 core, the tools on 2 others"


def test_a_server_starts_on_its_cores_and_the_block_runs_on_those_of_the_clients() -> None:
    before = os.sched_getaffinity(0)
    cores = Cores(server=(min(before),), clients=(max(before),))

    @contextmanager
    def server() -> Iterator[set[int]]:
        yield os.sched_getaffinity(0)

    with apart(server(), cores) as its_cores:
        assert its_cores == {min(before)}
        assert os.sched_getaffinity(0) == {max(before)}
    assert os.sched_getaffinity(0) == before
    with apart(server(), None) as its_cores:
        assert its_cores == os.sched_getaffinity(0) == before


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
