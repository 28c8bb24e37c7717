"""What counts as passed, and how it is shown."""

import pytest

from litho.benchmarks.load.comparison.effect import Effect
from litho.benchmarks.regressions.documents import SLOWDOWN, Regressions, Trial, table
from litho.benchmarks.shared.environment import Environment
from litho.benchmarks.shared.machine import describe_machine


def result(*verdicts: str) -> Regressions:
    """Trials in turn without and with a slowdown."""
    effect = Effect(ratio=0.9, low=0.8, high=1.0, pairs=12)
    trials = tuple(
        Trial(slowdown=SLOWDOWN * (number % 2), runs=12, effect=effect, verdict=verdict)
        for number, verdict in enumerate(verdicts)
    )
    return Regressions(
        target="digits",
        batch=8,
        tolerance=0.05,
        trials=trials,
        measured_at="2026-01-01T00:00:00+00:00",
        machine=describe_machine(),
        environment=Environment(),
    )


@pytest.mark.parametrize(
    ("verdicts", "passed"),
    [(("same", "slower"), True), (("slower", "slower"), False), (("same", "not decided"), False)],
)
def test_every_planted_slowdown_and_nothing_else_must_be_flagged(
    verdicts: tuple[str, ...], passed: bool
) -> None:
    assert result(*verdicts).passed is passed


def test_each_kind_of_trial_has_a_row() -> None:
    assert table(result("same", "slower"))[2:] == [
        "| the same again | 0 of 1 | 0.900 to 0.900 | 12 to 12 |",
        "| made 15% slower | 1 of 1 | 0.900 to 0.900 | 12 to 12 |",
    ]
