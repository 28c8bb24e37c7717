"""The check as a whole: every load of a bundle that is served in four ways is measured and predicted."""

from pathlib import Path

import pytest

from litho.benchmarks.capacity.check import Effort, check_capacity, predicted_again, ways_of
from litho.benchmarks.capacity.documents import CapacityResult, rows
from litho.errors import UsageError


def test_ways_fill_the_cores() -> None:
    for sampler in (False, True):
        assert all(way.instances * way.threads <= 4 for way in ways_of(sampler, 4))
    assert [way.batching for way in ways_of(True, 2)] == ["whole", "in-flight"]


@pytest.mark.slow
def test_every_load_of_a_bundle_is_measured_and_predicted(bundle: Path) -> None:
    effort = Effort(seconds=0.1, rounds=1, minutes=0, runner_seconds=0.1, ways=2)
    result = check_capacity([bundle], effort, "a command")
    assert CapacityResult.model_validate_json(result.model_dump_json()) == result
    assert len(result.checked) == 2
    # Time is up from the start: a window counts, however busy the machine is.
    assert result.repeated == 0
    assert {len(point.windows) for one in result.checked for point in one.points} == {1}
    for one in result.checked:
        lone = next(point for point in one.points if point.traffic.clients == 1)
        # The machine may be busy: the figures are looked at in the stored result, here only that there are some.
        assert lone.measured.p50_ms > 0
        assert lone.predicted.p50_ms > 0
        assert {point.traffic.rate is None for point in one.points} == {True, False}
    assert [point.fits for point in result.checked[0].points].count(True) == 2
    # Where it has as many threads, a lone request to the second tells what it costs to change between instances.
    ways = [one.served for one in result.checked]
    same = ways[1].threads == ways[0].threads
    assert [point.traffic.clients for point in result.checked[1].points if point.fits] == (
        [1] if same else []
    )
    # A machine that is busy may be too slow for the bound.
    assert [one.highest_rate >= 0 for one in result.reach] == [True, True]
    assert len(rows(result)) == 2 + sum(len(one.points) for one in result.checked)
    again = predicted_again(result)
    assert [one.points[0].measured for one in again.checked] == [
        one.points[0].measured for one in result.checked
    ]
    for one, other in zip(result.checked, again.checked, strict=True):
        assert other.costs == one.costs
        assert other.points == one.points
    with pytest.raises(UsageError, match="keeps no windows"):
        predicted_again(result.model_copy(update={"recordings": ()}))
