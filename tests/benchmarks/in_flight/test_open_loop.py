"""The load generator against a real server, in its own process."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.benchmarks.in_flight.open_loop import Outcomes, Plan, drive
from litho.runners import open_runner
from litho.serving.server.embedded import EmbeddedServer


def plan(server: EmbeddedServer, count: int, **changes: Any) -> Plan:
    address = server.grpc_url.removeprefix("grpc://")
    inputs = {
        "seed": np.arange(count),
        "label": np.arange(count) % 10,
        "truncation": np.ones(count, np.float32),
    }
    return Plan(address, "tiny", inputs, **changes)


def test_latencies_count_from_the_schedule() -> None:
    outcomes = Outcomes(
        np.array([1.0, 2.0]), np.array([1.5, np.inf]), np.zeros((2, 1, 1, 1), np.uint8), ("no",)
    )
    assert outcomes.latency_ms.tolist() == [500.0, np.inf]


def test_requests_leave_on_schedule_and_their_pictures_come_back(
    server: EmbeddedServer, bundle: Path, tmp_path: Path
) -> None:
    times = np.linspace(0, 0.2, 20)
    outcomes = drive(plan(server, 20, times=times), tmp_path)
    np.testing.assert_allclose(outcomes.began, times)
    assert (outcomes.latency_ms > 0).all()
    assert not outcomes.errors
    with open_runner(bundle) as local:
        expected = local.generate(seed=np.arange(20), label=np.arange(20) % 10, truncation=1.0)
    assert np.abs(outcomes.images.astype(int) - expected).max() <= 1


def test_a_number_of_requests_is_kept_in_flight_until_time_is_up(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    everything = drive(plan(server, 40, in_flight=8), tmp_path)
    assert len(everything.ended) == 40
    assert len(drive(plan(server, 5000, in_flight=4, seconds=0.0), tmp_path).ended) < 5000


def test_failed_requests_are_counted_and_a_broken_process_is_an_error(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    wrong = plan(server, 3, times=np.zeros(3))
    bad = Plan(wrong.address, "tiny", {**wrong.inputs, "label": np.array([0, 11, 1])}, wrong.times)
    outcomes = drive(bad, tmp_path)
    assert np.isinf(outcomes.ended).tolist() == [False, True, False]
    assert len(outcomes.errors) == 1
    assert "'label'" in outcomes.errors[0]
    assert not outcomes.images[1].any()
    with pytest.raises(subprocess.CalledProcessError):
        drive(Plan(wrong.address, "tiny", {"label": np.array([1j])}), tmp_path)
