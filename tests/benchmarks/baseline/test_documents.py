"""Ratios that continuous integration compares with stored ones."""

from litho.benchmarks.baseline.documents import Baseline, beyond, table
from litho.benchmarks.load.comparison.effect import Effect
from litho.benchmarks.shared.machine import describe_machine


def found(*ratios: float) -> Baseline:
    effect = Effect.of([ratios])
    return Baseline(bundle="tiny", ratios={"runner / session, batch 1": effect}, machine=describe_machine())


def test_a_ratio_is_worse_only_if_all_of_its_interval_is() -> None:
    stored = found(*[0.9] * 9)
    assert beyond(found(*[0.8] * 9), stored) == []
    assert beyond(found(*[0.6, 0.9] * 9), stored) == []
    (line,) = beyond(found(*[0.6, 0.62] * 9), stored)
    assert line.startswith("runner / session, batch 1: 0.6")
    assert "| 0.900 |" in table(found(*[0.8] * 9), stored)[2]


def test_a_ratio_that_is_not_stored_is_not_judged() -> None:
    stored = found(*[0.9] * 9).model_copy(update={"ratios": {}})
    assert beyond(found(*[0.1] * 9), stored) == []
