"""A wrong, a missing and an unknown series are each found."""

from typing import Any, cast

from litho.benchmarks.monitoring.check import check
from litho.benchmarks.monitoring.expected import Bounds, Expected, Series
from litho.benchmarks.monitoring.prometheus import Labels, Prometheus

RIGHT: Labels = (("model", "m"),)
OTHER: Labels = (("model", "other"),)


class Answers:
    """Says the same to every query, as Prometheus would."""

    def __init__(self, found: dict[Labels, float]) -> None:
        self._found = found

    def values(self, expression: str, at: float) -> dict[Labels, float]:
        return self._found


class Known:
    """Has the same right numbers for every query but one."""

    def of(self, name: str) -> Series | None:
        return None if name == "Servers A" else {RIGHT: Bounds(1, 2, "a witness")}

    def scaling(self, model: str) -> Bounds:
        return Bounds(1, 2, "a witness")


def verdicts(found: dict[Labels, float]) -> dict[tuple[str, str], list[bool]]:
    answers: dict[tuple[str, str], list[bool]] = {}
    prometheus, expected = cast(Prometheus, Answers(found)), cast(Expected, Known())
    for one in check(prometheus, expected, ["m"], 1.0, 0.0):
        answers.setdefault((one.kind, one.query), []).append(one.right)
    return answers


def test_values_outside_their_bounds_and_series_too_many_or_too_few_are_wrong() -> None:
    rule = ("rule", "model:litho_requests:rate2m")
    assert verdicts({RIGHT: 1.5})[rule] == [True, True]
    assert verdicts({RIGHT: 2.5})[rule] == [False, False]
    assert verdicts({RIGHT: 1.5, OTHER: 1.5})[rule] == [True, False, True, False]
    assert verdicts({})[rule] == [False, False]
    assert verdicts({RIGHT: float("nan")})[rule] == [False, False]


def test_a_query_that_nobody_knows_is_wrong_and_so_is_an_alert() -> None:
    found: Any = verdicts({RIGHT: 1.5})
    assert found["panel", "Servers A"] == [False]
    assert found["alert", "LithoTritonGone"] == [False]
    assert verdicts({})["alert", "LithoTritonGone"] == [True]
