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
    assert result(0.3).sentence.endswith("; others used 30% of the machine meanwhile")


def test_a_document_is_read_back(tmp_path) -> None:
    file = tmp_path / "capacity.json"
    file.write_text(result().model_dump_json())
    assert read_capacity(file) == result()


def test_few_requests_have_no_p95() -> None:
    assert Figures.of(np.arange(1, 200.0), 1, None, 0).p95_ms is None
    assert Figures.of(np.arange(1, 201.0), 1, None, 0).p95_ms == 190


def test_a_figure_counts_as_repeated_if_its_interval_is_narrow() -> None:
    whole = result()
    (checked,) = whole.checked
    interval = (figures(95, 9.9, 15), figures(105, 10.2, 21))
    points = tuple(point.model_copy(update={"interval": interval}) for point in checked.points[:2])
    update = {"checked": (checked.model_copy(update={"points": (*points, checked.points[2])}),)}
    found = whole.model_copy(update=update)
    assert found.known == pytest.approx([0.04, 0.05])
    assert points[1].noise == pytest.approx({"requests_per_second": 0.05, "p50_ms": 0.02, "p95_ms": 0.25})
    assert found.share == whole.share
    assert found.sentence.endswith(
        "the machine repeats 2 of the 4 (95% interval within 10%), and of these 2 are predicted within 10%"
    )


def test_disturbed_windows_are_told() -> None:
    found = result().model_copy(update={"disturbed": 3})
    assert found.sentence.endswith("; 3 windows count although the machine was disturbed")


def test_the_interval_of_a_median_holds_it_and_ignores_one_stall() -> None:
    parts = [figures(rate, 10) for rate in (98, 99, 100, 101, 102, 100, 99, 101, 5)]
    latencies = [np.arange(1, 201.0)] * len(parts)
    ends = Figures.interval(parts, latencies)
    assert ends is not None
    assert 95 < ends[0].requests_per_second <= 100 <= ends[1].requests_per_second <= 102
    # From all windows together, where one has too few requests.
    assert ends[0].p95_ms == ends[1].p95_ms == 190
    assert ends[0].mean_batch == 1
    assert Figures.interval(parts[:2], latencies[:2]) is None
    assert Figures.interval(parts, latencies) == ends


def test_a_window_in_which_the_machine_stalled_does_not_count() -> None:
    parts = [figures(100, 10), figures(104, 11), figures(5, 900)]
    found = Figures.together(parts, np.arange(1, 201.0))
    assert (found.requests_per_second, found.p50_ms, found.p95_ms) == (100, 11, 190)
