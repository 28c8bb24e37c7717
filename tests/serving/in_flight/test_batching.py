from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from litho.bundle import Bundle
from litho.serving.configuration.settings import Batching, ServingSettings
from litho.serving.in_flight.batching import Comparison, choose_batching, compare, lanes_of, simulate
from litho.serving.in_flight.step_costs import StepCosts

from .test_step_costs import SHAPES

FORMS = st.sampled_from(("whole", "in-flight"))


def test_measured_costs_of_a_processor_favour_in_flight() -> None:
    found = compare(SHAPES, lanes=1, cap=16)
    assert found.better == "in-flight"
    assert found.short_p50 < 0.3
    assert found.all_p95 < 0.9
    assert found.saturation > 0.97
    assert found.reason.startswith("in-flight batching wins on this machine: at 70% load")


def test_flat_costs_of_a_gpu_favour_it_more() -> None:
    flat, linear = (
        compare(StepCosts.model(fixed, row, free), lanes=1, cap=64)
        for fixed, row, free in ((3.0, 0.0, 64), (0.0, 3.0, 0))
    )
    assert flat.short_p50 < linear.short_p50
    assert flat.saturation > linear.saturation > 0.9


def test_a_cap_below_the_knee_loses_and_is_said_to() -> None:
    found = compare(StepCosts.model(3.0, 0.0, 64), lanes=1, cap=4)
    assert found.better == "whole"
    assert found.saturation < 0.5
    assert found.reason.startswith("whole requests win on this machine: in flight, at 70% load")


@pytest.mark.parametrize(
    ("short", "p95", "saturation", "better"),
    [
        (0.5, 0.9, 1.0, "in-flight"),
        (1.1, 0.9, 1.0, "whole"),
        (0.5, 1.1, 1.0, "whole"),
        (0.5, 0.9, 0.9, "whole"),
    ],
)
def test_in_flight_must_answer_sooner_and_cost_no_throughput(
    short: float, p95: float, saturation: float, better: Batching
) -> None:
    assert Comparison(short, p95, 1.0, saturation).better == better


@settings(max_examples=30)
@given(
    form=FORMS,
    steps=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    gaps=st.floats(0, 20),
    lanes=st.integers(1, 3),
    cap=st.integers(1, 8),
)
def test_every_simulated_request_takes_at_least_its_own_steps(
    form: Batching, steps: list[int], gaps: float, lanes: int, cap: int
) -> None:
    costs = StepCosts.model(1.0, 0.5)
    arrivals = np.arange(len(steps)) * gaps
    asked = np.array(steps)
    latencies = simulate(form, costs, arrivals, asked, lanes=lanes, cap=cap)
    assert (latencies >= asked * costs.at(1) - 1e-6).all()
    if len(steps) == 1:
        assert latencies[0] == pytest.approx(steps[0] * 1.5)


def test_a_form_is_chosen_for_a_flow_by_what_its_steps_cost_here(flow_bundle: Path) -> None:
    settings = ServingSettings(batching="in-flight", live_rows=4, max_batch_size=8)
    choice = choose_batching(Bundle.load(flow_bundle), None, settings)
    assert choice.batching in ("whole", "in-flight")
    assert " of 4 rows; a step costs 1: " in choice.reason
    wins = "in-flight batching wins" if choice.batching == "in-flight" else "whole requests win"
    assert choice.reason.startswith(wins)


def test_what_has_no_steps_stays_whole(bundle: Path) -> None:
    choice = choose_batching(Bundle.load(bundle), None, ServingSettings())
    assert choice.batching == "whole"
    assert "is one graph without steps: its requests stay whole" in choice.reason


@pytest.mark.parametrize(
    ("device", "lanes", "threads", "cores", "expected"),
    [
        ("cpu", None, None, 2, (2, 1)),
        ("cpu", None, None, 1, (1, 1)),
        ("cpu", None, None, 16, (2, 8)),
        ("cpu", 4, None, 16, (4, 4)),
        ("cpu", 1, 2, 4, (1, 2)),
        ("cuda:0", None, None, 16, (1, None)),
        ("cuda:0", 2, 8, 16, (2, None)),
    ],
)
def test_lanes_share_the_cores_and_a_gpu_has_one(
    device: str, lanes: int | None, threads: int | None, cores: int, expected: tuple[int, int | None]
) -> None:
    assert lanes_of(device, lanes, threads, cores) == expected
