import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from litho.benchmarks.capacity.costs import Costs, Overhead, at

SAMPLER = Costs(batch_ms={1: 1.0}, step_ms={1: 2.0, 2: 3.0, 4: 5.0}, decode_ms={1: 0.5})


def test_a_line_leads_from_size_to_size_and_beyond_them_a_row_costs_what_the_last_one_did() -> None:
    table = {2: 4.0, 4: 6.0}
    assert [at(table, rows) for rows in (1, 2, 3, 4, 8)] == [4.0, 4.0, 5.0, 6.0, 12.0]


def test_a_row_leaves_a_batch_after_its_last_step() -> None:
    # Begin of 3 rows, one step of 3, two of 2, one of 1, decoder of 3.
    assert SAMPLER.whole([4, 1, 3]) == pytest.approx(3 * 1.0 + 4.0 + 2 * 3.0 + 2.0 + 3 * 0.5)
    assert Costs(batch_ms={1: 1.0, 3: 2.0}).whole([7, 7, 7]) == 2.0


@given(st.lists(st.integers(1, 32), min_size=1, max_size=20))
def test_the_order_of_rows_does_not_matter_and_more_steps_take_longer(steps: list[int]) -> None:
    assert SAMPLER.whole(steps) == pytest.approx(SAMPLER.whole(sorted(steps)))
    assert SAMPLER.whole([steps[0] + 1, *steps[1:]]) >= SAMPLER.whole(steps)


def test_a_factor_changes_the_runner_s_times_alone() -> None:
    twice = SAMPLER.scaled(2.0)
    assert (twice.step(2), twice.decode(1), twice.begin(1)) == (6.0, 1.0, 2.0)
    assert (twice.factor, twice.overhead) == (2.0, SAMPLER.overhead)


@pytest.mark.parametrize(
    "given",
    [
        {"batch_ms": {}},
        {"batch_ms": {0: 1.0}},
        {"batch_ms": {1: -1.0}},
        {"batch_ms": {1: 1.0}, "step_ms": {1: 1.0}},
    ],
)
def test_costs_that_cannot_be_are_refused(given: dict) -> None:
    with pytest.raises(ValidationError):
        Costs(**given)


def test_a_pause_costs_what_was_measured_and_between_a_line() -> None:
    costs = Costs(batch_ms={1: 1.0}, cold_ms={4.0: 0.2, 8.0: 0.6})
    assert [costs.cold(gap) for gap in (0.0, 2.0, 6.0, 100.0)] == pytest.approx([0.0, 0.1, 0.4, 0.6])
    assert Costs(batch_ms={1: 1.0}).cold(100.0) == 0


def test_a_server_keeps_its_costs_with_another_runner() -> None:
    server = Costs(batch_ms={1: 1.0}).scaled(2.0).model_copy(update={"change_ms": 0.3, "switch_ms": 0.1})
    found = server.of_runner(Costs(threads=2, batch_ms={1: 0.6}, contention=1.2))
    assert (found.threads, found.begin(1), found.contention) == (2, pytest.approx(1.2), 1.2)
    assert (found.change_ms, found.switch_ms, found.factor) == (0.3, 0.1, 2.0)


def test_times_of_one_row_are_changed_alone() -> None:
    found = Costs(batch_ms={1: 1.0}, step_ms={1: 2.0, 4: 5.0}, decode_ms={1: 0.5}).of_one_row(0.5)
    assert (found.begin(1), found.step(1), found.step(4), found.decode(1)) == (0.5, 1.0, 5.0, 0.25)


def test_a_switch_costs_a_batch_as_much_as_its_caches_hold() -> None:
    costs = Costs(batch_ms={1: 1.0}, switch_ms=0.2, switch_rows_ms={1: 0.0, 8: 0.7, 32: 0.1})
    assert [costs.switch(rows) for rows in (1, 8, 32)] == pytest.approx([0.2, 0.9, 0.3])
    assert costs.scaled(2.0).switch(8) == pytest.approx(0.2 + 1.4)
    assert Costs(batch_ms={1: 1.0}, switch_ms=0.2).switch(8) == 0.2


def test_costs_of_older_documents_are_read() -> None:
    older = {"batch_ms": {1: 1.0}, "patience": 0.5, "eager": 0.2, "overhead": {"pass_ms": 0.1, "end_ms": 0.2}}
    assert Costs.model_validate(older) == Costs(batch_ms={1: 1.0}, overhead=Overhead(pass_ms=0.1))
