from pathlib import Path

import pytest
from pydantic import ValidationError

from litho.benchmarks.capacity.plan_documents import PLAN_NAME, Goal, read_plan
from litho.errors import BundleError, LithoError

from .planned import plan


def test_a_plan_is_read_back_from_its_folder(tmp_path: Path) -> None:
    found = plan(Goal(rate=100, p95_ms=100))
    (tmp_path / PLAN_NAME).write_text(found.model_dump_json())
    assert read_plan(tmp_path) == read_plan(tmp_path / PLAN_NAME) == found
    assert set(found.costs) == {1}


def test_the_sentence_has_machines_latency_and_cost() -> None:
    found = plan(Goal(rate=100, p95_ms=100), price="0.4").model_copy(update={"currency": "EUR"})
    assert found.sentence.startswith("1 machine serves 100 requests/s with a p95 of at most 100 ms (whole")
    assert found.sentence.endswith("EUR")


@pytest.mark.parametrize(
    "given",
    [{"rate": 0, "p95_ms": 1}, {"rate": 1, "p95_ms": float("inf")}, {"rate": 1, "p95_ms": 1, "headroom": 1}],
)
def test_a_goal_that_cannot_be_is_refused(given: dict) -> None:
    with pytest.raises(ValidationError):
        Goal(**given)


def test_what_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises((LithoError, BundleError)):
        read_plan(tmp_path)
    (tmp_path / PLAN_NAME).write_text('{"schema_version": 1}')
    with pytest.raises(LithoError, match="plan of 'litho bench plan'"):
        read_plan(tmp_path)
