"""A process that stood still ends before its late answers are taken for those of another batch."""

import time
from pathlib import Path

import numpy as np
import pytest

from litho.bundle import Bundle
from litho.errors import EndpointUnavailable
from litho.export.build import export
from litho.runners import open_runner
from litho.serving.backend.in_hand import read_records
from litho.serving.backend.stalls import StallGuard
from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install
from litho.serving.server.watch import Watch
from litho.training.run.snapshot import save_snapshot

from ...conftest import standing_still, wait_until
from ...smallest import random_flow

PAUSE_SECONDS = 1.5
"""Triton gives a batch up after a second without a sign of life."""


class Guarded:
    """A guard on a clock that a test sets, and the stalls that it ended for."""

    def __init__(self) -> None:
        self.now, self.ended = 1000.0, list[float]()
        self.guard = StallGuard(lambda: self.now, self.ended.append)
        with self.guard:  # the first batch, which is not guarded
            pass

    def batch(self, *seconds: float) -> list[float]:
        """A batch in which the clock goes on by these steps; the stalls that it was ended for."""
        self.ended.clear()
        with self.guard:
            for step in seconds:
                self.now += step
                self.guard.look()
        return list(self.ended)


@pytest.fixture
def guarded():
    made = Guarded()
    yield made
    made.guard.close()


def test_a_batch_may_last_long(guarded: Guarded) -> None:
    assert guarded.batch(*[0.1] * 100) == []


def test_a_stall_within_a_batch_ends_it_instead_of_the_answers(guarded: Guarded) -> None:
    assert guarded.batch(0.1, 1.5, 0.1) == [pytest.approx(1.5)]


def test_a_stall_is_noticed_without_a_look_before_the_answers(guarded: Guarded) -> None:
    with guarded.guard:
        guarded.now += 0.9
    assert guarded.ended == [pytest.approx(0.9)]


def test_a_batch_that_fails_is_ended_too(guarded: Guarded) -> None:
    with pytest.raises(ZeroDivisionError), guarded.guard:
        _fail_after(guarded, 2.0)
    assert guarded.ended == [pytest.approx(2.0)]


def _fail_after(guarded: Guarded, seconds: float) -> None:
    guarded.now += seconds
    raise ZeroDivisionError


def test_a_stall_between_two_batches_harms_neither(guarded: Guarded) -> None:
    assert guarded.batch(0.1) == []
    guarded.now += 5.0
    assert guarded.batch(0.1) == []


def test_a_clock_that_is_set_back_is_no_stall(guarded: Guarded) -> None:
    assert guarded.batch(-3600.0, 0.1) == []


def test_the_first_batch_may_load_libraries() -> None:
    ended = list[float]()
    now = [0.0]
    guard = StallGuard(lambda: now[0], ended.append)
    for expected in ([], [2.0]):
        with guard:
            now[0] += 2.0
        assert ended == expected
    guard.close()


@pytest.fixture
def slow_bundle(tmp_path: Path) -> Bundle:
    """A flow that takes seconds for a batch of 32: the batch is still in hand when everything stops."""
    save_snapshot(tmp_path / "run", random_flow(width=256, depth=4), family="flow", preset="flow-shapes")
    return export(tmp_path / "run", to=tmp_path / "bundle", timed=False)


@pytest.mark.slow
def test_a_paused_machine_costs_the_batch_and_no_picture_is_another_ones(
    slow_bundle: Bundle, tmp_path: Path
) -> None:
    """The server and its process stop with a batch in hand and go on, as those of a paused machine do."""
    deploy(slow_bundle, to=tmp_path / "repository", name="flow")
    install()
    count = 32
    asked = {
        "seed": np.arange(count),
        "prompt": ["a circle"] * count,
        "steps": np.full(count, 64),
        "guidance": np.full(count, 2.0, np.float32),
    }
    with (
        EmbeddedServer(tmp_path / "repository", log=tmp_path / "log") as server,
        open_runner(f"{server.grpc_url}/flow") as runner,
    ):
        runner.run(asked)
        watch = Watch(server.process_id, server.drain_file)
        watch.look()
        (stub,) = watch.instances()
        future = runner.submit(asked)
        wait_until(lambda: read_records(server.drain_file)[stub.pid].in_hand)
        with standing_still(server):
            time.sleep(PAUSE_SECONDS)
        with pytest.raises(EndpointUnavailable, match="lost the process that runs the model"):
            future.result()
        faults = []
        wait_until(lambda: faults.extend(watch.look()) or faults)
        assert [(fault.kind, fault.cause) for fault in faults] == [
            ("died", "it stood still with a batch in hand, as a paused machine does, and ended itself")
        ]
        assert server.death() is None
    assert "this process stood still for" in (tmp_path / "log").read_text()
