from pathlib import Path

import pytest

from litho.benchmarks.capacity.costs import Costs
from litho.benchmarks.capacity.plan import compared, find_plan, highest_rate, ways_on
from litho.benchmarks.capacity.plan_documents import Goal
from litho.benchmarks.capacity.shape import Kind, Served, Site, Traffic
from litho.benchmarks.capacity.simulation import Model, simulate
from litho.benchmarks.load.documents.result import read_result
from litho.benchmarks.shared.command import RESULTS
from litho.errors import UsageError

from .planned import known, plan


def test_the_highest_rate_is_where_the_p95_reaches_the_bound() -> None:
    # One server of 1 ms: a deterministic queue, whose p95 grows without bound towards 1,000 requests a second.
    model = Model(Costs(batch_ms={1: 1.0}, slice_ms=100), Served(instances=1, largest=1), Site(cores=1))
    rates = [highest_rate(model, Goal(rate=1, p95_ms=bound), 1500)[0] for bound in (0.5, 2.0, 8.0, 1e6)]
    assert rates[0] == 0
    assert rates == sorted(rates)
    assert rates[3] == pytest.approx(1000, rel=0.05)
    found = simulate(model, Traffic(rate=rates[1]), requests=20_000)
    assert found.quantile(0.95) == pytest.approx(2.0, rel=0.15)


def test_machines_grow_with_the_rate_and_spare_ones_come_on_top() -> None:
    one, ten, spare = (
        plan(Goal(rate=rate, p95_ms=100, spare=more)) for rate, more in ((100, 0), (5000, 0), (5000, 2))
    )
    counts = [found.best.machines for found in (one, ten, spare) if found.best]
    assert counts[0] == 1
    assert counts[2] == counts[1] + 2
    best = ten.best
    assert best is not None
    assert best.machines * best.highest_rate * 0.8 >= 5000 > (best.machines - 1) * best.highest_rate * 0.8
    assert best.p95_ms <= 100
    assert "cores" in best.limit


def test_a_bound_below_a_lone_request_is_out_of_reach() -> None:
    found = plan(Goal(rate=100, p95_ms=0.5))
    assert found.best is None
    assert found.sentence.startswith("no number of these machines serves 100 requests/s")
    assert {option.limit for option in found.options} == {"a lone request is late"}


def test_the_cost_is_that_of_all_machines(tmp_path: Path) -> None:
    best = plan(Goal(rate=5000, p95_ms=100), price="3.6").best
    assert best is not None
    assert best.cost_per_1000 == pytest.approx(best.machines * 3.6 / (5000 * 3600) * 1000)
    with pytest.raises(UsageError, match="--price was given 'cheap'"):
        plan(Goal(rate=1, p95_ms=100), price="cheap")


def test_a_sampler_is_also_planned_in_flight_and_a_gpu_has_one_lane() -> None:
    goal = Goal(rate=20, p95_ms=500, kinds=(Kind(steps=8),))
    forms = {option.served.batching for option in find_plan(known(sampler=True), goal, requests=100).options}
    assert forms == {"whole", "in-flight"}
    assert ways_on(Site(cores=8, devices=1), [1], 64, sampler=True)[-1].instances == 1


def test_the_first_way_is_the_default_of_a_deployment() -> None:
    assert ways_on(Site(cores=2), [1, 2], 64, sampler=False)[0] == Served(instances=2, threads=1, largest=64)
    assert ways_on(Site(cores=2), [1, 2], 64, sampler=True)[0] == Served(instances=1, threads=2, largest=64)


def test_loads_of_a_measured_result_are_predicted_and_another_variant_is_refused() -> None:
    made, path = plan(Goal(rate=100, p95_ms=100)), RESULTS / "cgan-digits-endpoint.json"
    stored = read_result(path)
    with pytest.raises(
        UsageError, match=r"--against was given .* it takes one of an endpoint of generator.fp32.onnx"
    ):
        compared(made, stored.model_copy(update={"variant": "another"}), path)
    lone = stored.model_copy(update={"variant": made.variant, "points": stored.points[:1]})
    (point,) = compared(made, lone, path).against
    assert point.traffic.clients == stored.points[0].load.concurrency
    assert point.measured.p50_ms == stored.points[0].latency.p50_ms
    assert set(point.errors) >= {"requests_per_second", "p50_ms"}
