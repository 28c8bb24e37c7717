import os
import signal
import time
from pathlib import Path

import pytest

from litho.serving.server.watch import Fault, Watch

from .instances import instance


def first_fault(watch: Watch) -> Fault:
    deadline = time.monotonic() + 120
    while not (faults := watch.look()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (fault,) = faults
    return fault


def test_a_dead_instance_is_told_once_with_its_signal(tmp_path: Path) -> None:
    watch = Watch(os.getpid(), tmp_path / "drain")
    with instance(tmp_path / "drain") as process:
        assert watch.look() == []
        (known,) = watch.instances()
        assert (known.pid, known.model, known.instance) == (process.pid, "tiny", "tiny_0_1")
        assert watch.records()[process.pid].in_hand == 2
        process.send_signal(signal.SIGSEGV)
        fault = first_fault(watch)
        assert (fault.stub.pid, fault.kind, fault.cause) == (process.pid, "died", "signal SIGSEGV")
        assert watch.look() == []
        assert watch.instances() == ()


def test_an_instance_that_was_ended_and_buried_is_no_fault(tmp_path: Path) -> None:
    watch = Watch(os.getpid(), tmp_path / "drain")
    with instance(tmp_path / "drain") as process:
        watch.look()
        process.terminate()
        process.wait()
        assert watch.look() == []
        assert watch.instances() == ()


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "stands still"])
def test_an_instance_that_does_nothing_with_work_in_hand_hangs(stopped: bool, tmp_path: Path) -> None:
    watch = Watch(os.getpid(), tmp_path / "drain", hung_seconds=0.5)
    with instance(tmp_path / "drain") as process:
        watch.look()
        if stopped:
            process.send_signal(signal.SIGSTOP)
        fault = first_fault(watch)
        assert fault.kind == "hung"
        assert ("stopped by a signal" if stopped else "2 requests in hand") in fault.cause
        assert watch.look() == []
        watch.end(fault.stub, expected=True)
        assert process.wait() == -signal.SIGKILL
        assert watch.look() == []


def test_an_instance_that_computes_does_not_hang(tmp_path: Path) -> None:
    # Longer than a machine stands still, which this process cannot tell from a worker that does.
    watch = Watch(os.getpid(), tmp_path / "drain", hung_seconds=1.5)
    with instance(tmp_path / "drain", "computes"):
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            assert watch.look() == []
            time.sleep(0.02)
