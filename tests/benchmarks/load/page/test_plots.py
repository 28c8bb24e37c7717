from pathlib import Path

import pytest

import litho
from litho.benchmarks import read_result
from litho.benchmarks.load.documents.latency import Percentile
from litho.benchmarks.load.documents.windows import Load
from litho.benchmarks.load.page.plots import (
    axis_name,
    charts_of,
    fitted_line,
    growth_chart,
    load_names,
    pairs_chart,
    percentiles,
)
from litho.benchmarks.load.page.report import table

RESULTS = Path(litho.__file__).parent / "benchmarks/results"


@pytest.fixture(scope="module")
def stored():
    """A stored result of an endpoint."""
    return read_result(RESULTS / "cgan-digits-endpoint.json")


def of_batches(stored, times):
    """The same with other loads: batch -> time of a request in ms."""
    point = stored.points[0]
    points = []
    for batch, time in times.items():
        latency = point.latency.model_copy(update={"p50": Percentile(value_ms=time)})
        points.append(point.model_copy(update={"load": Load(concurrency=1, batch=batch), "latency": latency}))
    return stored.model_copy(update={"points": tuple(points)})


def test_every_chart_says_what_it_shows_and_whence(stored):
    charts = charts_of(stored)
    assert [chart.title for chart in charts] == [
        "Latency over throughput",
        "Percentiles of latency",
        "Throughput",
        "Parts of the mean latency",
        "Batches that the server formed",
    ]
    for chart in [*charts, pairs_chart(stored.comparison)]:
        assert chart.alt.endswith(".")
        assert "points[]" in chart.source or "pairs[]" in chart.source


def test_parts_of_the_latency_sum_to_its_mean(stored):
    (parts,) = [chart for chart in charts_of(stored) if chart.title == "Parts of the mean latency"]
    rows = parts.specification["layer"][0]["data"]["values"]
    for point in stored.points:
        total = sum(row["y"] for row in rows if row["load"] == str(point.load))
        assert total == pytest.approx(point.latency.mean_ms)


def test_growth_with_the_batch_is_fitted(stored):
    result = of_batches(stored, {1: 3.0, 2: 4.0, 8: 10.0, 32: 34.0})
    assert fitted_line(result.points) == pytest.approx((2.0, 1.0))
    chart = growth_chart(result)
    assert chart is not None
    assert "2.00 ms + 1.00 ms × images" in chart.source


def test_fixed_time_is_never_negative_and_two_batches_make_no_line(stored):
    fixed, slope = fitted_line(of_batches(stored, {1: 0.5, 2: 2.0, 4: 5.0}).points)
    assert fixed == 0
    assert slope > 0
    assert growth_chart(of_batches(stored, {1: 1.0, 2: 2.0})) is None


def test_percentiles_of_too_few_requests_are_left_out(stored):
    latency = stored.points[0].latency.model_copy(
        update={"p99": None, "p50": Percentile(value_ms=2, low_ms=1)}
    )
    assert next(percentiles(latency)) == ("p50", 2, 1, None)
    assert "p99" not in [name for name, *_ in percentiles(latency)]


def test_an_open_loop_is_shown_by_its_rates(stored):
    rates = range(100, 100 * len(stored.points) + 1, 100)
    points = [
        point.model_copy(update={"load": Load(rate=float(rate))})
        for rate, point in zip(rates, stored.points, strict=True)
    ]
    offered = stored.model_copy(update={"points": tuple(points)})
    assert axis_name(offered) == "requests/s offered"
    assert load_names(offered) == [str(rate) for rate in rates]
    headings, rows = table(offered)
    assert headings[0] == "offered/s|right"
    assert [row[0] for row in rows] == load_names(offered)
