import numpy as np
import pytest

from litho.benchmarks.capacity.costs import Costs
from litho.benchmarks.capacity.documents import CapacityResult, Checked, Figures, Point, read_capacity
from litho.benchmarks.capacity.shape import Kind, Served, Site, Traffic

from .planned import MACHINE


def figures(rate: float, p50: float, p95: float | None = None) -> Figures:
    return Figures(
        requests_per_second=rate, mean_ms=p50, p50_ms=p50, p95_ms=p95, mean_batch=1, utilisation=0.5
    )


def result(others: float = 0.0) -> CapacityResult:
    """One closed loop that the costs come from, one that they do not, and an open one."""
    closed = [
        Point(
            traffic=Traffic(clients=clients),
            requests=9,
            fits=clients == 1,
            measured=figures(100, 10, 20),
            predicted=figures(rate, 10.5, 30),
        )
        for clients, rate in ((1, 900), (8, 104))
    ]
    opened = Point(
        traffic=Traffic(rate=50), requests=9, measured=figures(50, 10), predicted=figures(70, 9.5, 12)
    )
    checked = Checked(
        generator="shapes",
        variant="v",
        served=Served(),
        kinds=(Kind(),),
        costs=Costs(batch_ms={1: 1.0}),
        points=(*closed, opened),
    )
    return CapacityResult(
        command="a command",
        measured_at="now",
        seconds=1,
        machine=MACHINE,
        site=Site(cores=2),
        others=others,
        checked=(checked,),
    )


def test_only_points_that_the_costs_do_not_come_from_have_errors_that_count() -> None:
    assert result().errors == pytest.approx([0.04, 0.05, 0.5, -0.05])
    assert result().sentence == "3 of 4 figures are predicted within 10%; median error 5.0%, largest 50%"
    assert result(0.3).sentence.endswith("; other programs used 30% of the machine meanwhile")


def test_a_document_is_read_back(tmp_path) -> None:
    file = tmp_path / "capacity.json"
    file.write_text(result().model_dump_json())
    assert read_capacity(file) == result()


def test_few_requests_have_no_p95() -> None:
    assert Figures.of(np.arange(1, 200.0), 1, None, 0).p95_ms is None
    assert Figures.of(np.arange(1, 201.0), 1, None, 0).p95_ms == 190


def test_halves_tell_how_well_a_measurement_repeats_itself() -> None:
    whole = result()
    (checked,) = whole.checked
    halves = (figures(100, 10, 30), figures(100, 10.5, 20))
    points = tuple(point.model_copy(update={"halves": halves}) for point in checked.points)
    found = whole.model_copy(update={"checked": (checked.model_copy(update={"points": points}),)})
    assert found.repeats == pytest.approx([0.0, -0.05, 0.5, -0.05, 0.5], abs=0.01)
    assert found.sentence.endswith("measured twice, 3 of 5 are within 10% of themselves")


def test_a_window_in_which_the_machine_stalled_does_not_count() -> None:
    parts = [figures(100, 10), figures(104, 11), figures(5, 900)]
    found = Figures.together(parts, np.arange(1, 201.0))
    assert (found.requests_per_second, found.p50_ms, found.p95_ms) == (100, 11, 190)
