import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from litho.serving.server.loading import LoadWatch
from litho.serving.server.processes import Stub, stubs_of

from ...conftest import wait_until
from .instances import instance

IDLE_SECONDS = 1.5
"""Longer than a machine stands still, which nobody can tell from a process that does."""


def watch(*old: Stub, model: str = "tiny") -> Callable[[], tuple[Stub, ...]]:
    """What a look at the processes of this one finds hung."""
    loading = LoadWatch(os.getpid(), model, old, idle_seconds=IDLE_SECONDS)
    return lambda: loading.hung(stubs_of(os.getpid()))


def looks(hung: Callable[[], tuple[Stub, ...]], seconds: float) -> set[int]:
    """Process ids of what was found hung within a time."""
    found, end = set[int](), time.monotonic() + seconds
    while time.monotonic() < end and not found:
        found |= {stub.pid for stub in hung()}
        time.sleep(0.02)
    return found


def test_a_new_process_that_does_nothing_hangs(tmp_path: Path) -> None:
    with instance(tmp_path / "drain") as process:
        assert looks(watch(), 120) == {process.pid}


@pytest.mark.parametrize("does", ["computes", "reads"])
def test_a_process_that_opens_its_model_does_not_hang(does: str, tmp_path: Path) -> None:
    with instance(tmp_path / "drain", does):
        assert looks(watch(), 2 * IDLE_SECONDS) == set()


def test_a_process_that_is_ready_waits_for_one_that_is_not(tmp_path: Path) -> None:
    with instance(tmp_path / "ready"), instance(tmp_path / "drain", "computes"):
        assert looks(watch(), 2 * IDLE_SECONDS) == set()


def test_processes_from_before_the_load_and_of_other_models_may_be_idle(tmp_path: Path) -> None:
    with instance(tmp_path / "drain"):
        old, other = watch(*stubs_of(os.getpid())), watch(model="other")
        assert looks(lambda: old() + other(), 2 * IDLE_SECONDS) == set()


def test_a_load_is_stuck_when_none_of_its_processes_is_left(tmp_path: Path) -> None:
    loading = LoadWatch(os.getpid(), "tiny", (), idle_seconds=0.1)
    assert loading.hung(()) == ()
    assert not loading.is_stuck  # none has come yet
    with instance(tmp_path / "drain"):
        loading.hung(stubs_of(os.getpid()))
        assert not loading.is_stuck
    wait_until(lambda: loading.hung(stubs_of(os.getpid())) or loading.is_stuck)


def test_new_processes_may_wait_for_old_ones_but_not_die(tmp_path: Path) -> None:
    with instance(tmp_path / "old"):
        old = stubs_of(os.getpid())
        loading = LoadWatch(os.getpid(), "tiny", old, idle_seconds=0.1)
        with instance(tmp_path / "new"):
            assert looks(lambda: loading.hung(stubs_of(os.getpid())), 0.5) == set()
            assert not loading.is_stuck
        wait_until(lambda: loading.hung(stubs_of(os.getpid())) or loading.is_stuck)
