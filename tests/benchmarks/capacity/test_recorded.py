"""A recording says of a load what the live model said."""

import numpy as np
import pytest

from litho.benchmarks.capacity.costs import Costs
from litho.benchmarks.capacity.recorded import Observed, Recorded, Recording, Replayed, Span
from litho.benchmarks.capacity.serving import Gapped, InTurn, arrivals
from litho.benchmarks.capacity.shape import Kind, Served, Traffic
from litho.errors import LithoError

COST = Observed(
    client=0.1,
    server=0.2,
    instances=1.0,
    batches=0.5,
    latencies_ms=(1.0, 2.0, 3.0),
    sizes={1: 3, 2: 4},
    steps=None,
)
OPEN, CLOSED = Traffic(rate=50.0), Traffic(clients=4)


def recording() -> Recording:
    """Of two ways, of which the second has two loads only."""
    span = Span(start_ms=100.0, end_ms=600.0)
    drawn = Span(start_ms=100.0, end_ms=600.0, drawn=(0.6, 3))
    loads = (
        Recorded(way=0, traffic=OPEN, spans=(drawn,) * 5, mean_ms=2.0, spent=COST),
        Recorded(way=0, traffic=CLOSED, spans=(span,), mean_ms=2.0, spent=COST),
        Recorded(way=1, gap_ms=4.0, spans=(span,), mean_ms=2.0, spent=COST),
        Recorded(way=1, in_turn=(1, 2), spans=(span,), mean_ms=2.0, spent=None),
    )
    return Recording(
        generator="digits",
        ways=(Served(), Served(instances=1)),
        kinds=(Kind(),),
        plain=True,
        runner={1: Costs(batch_ms={1: 1.0})},
        loads=loads,
    )


def test_each_way_has_its_own_loads() -> None:
    first, second = (Replayed(recording(), way) for way in (0, 1))
    assert [first.has(load) for load in (OPEN, CLOSED, Gapped(4.0), InTurn((1, 2)))] == [
        True,
        True,
        False,
        False,
    ]
    assert [second.has(load) for load in (OPEN, CLOSED, Gapped(4.0), InTurn((1, 2)))] == [
        False,
        False,
        True,
        True,
    ]
    assert second.mean_ms(Gapped(4.0)) == pytest.approx(2.0)
    assert first.spent(CLOSED).latencies_ms.tolist() == [1.0, 2.0, 3.0]


def test_arrivals_are_drawn_again_and_those_of_a_closed_loop_are_not() -> None:
    read = Recording.model_validate_json(recording().model_dump_json())
    model = Replayed(read, 0)
    assert len(model.windows(OPEN)) == 5
    for window in model.windows(OPEN):
        assert window.times_ms is not None
        assert np.array_equal(window.times_ms, arrivals(50.0, 0.6, 3) * 1e3)
    assert not np.array_equal(arrivals(50.0, 0.6, 3), arrivals(50.0, 0.6, 4))
    assert model.windows(CLOSED)[0].times_ms is None
    assert len(model.spent(OPEN).windows) < 5  # a fit follows some of them


def test_a_load_whose_cost_was_not_seen_is_named() -> None:
    with pytest.raises(LithoError, match="was not seen"):
        Replayed(recording(), 1).spent(InTurn((1, 2)))
