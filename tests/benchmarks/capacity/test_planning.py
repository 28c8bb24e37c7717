from pathlib import Path

import pytest

from litho.benchmarks.capacity.plan_documents import PLAN_NAME, Goal
from litho.benchmarks.capacity.planning import Planned, against_table, lines, plan_for, table
from litho.bundle import Bundle
from litho.errors import LithoError, UsageError

from .planned import plan

GOAL = Goal(rate=1000, p95_ms=100)


@pytest.fixture
def earlier(bundle: Path, tmp_path: Path) -> Path:
    """A plan for the bundle, in a folder."""
    (tmp_path / PLAN_NAME).write_text(plan(GOAL, Bundle.load(bundle).manifest.name).model_dump_json())
    return tmp_path


def test_costs_of_an_earlier_plan_serve_another_goal(bundle: Path, earlier: Path) -> None:
    found = plan_for(bundle, Goal(rate=9000, p95_ms=100), Planned(costs=earlier, price="1"), requests=400)
    assert found.best is not None
    assert found.best.machines
    assert found.best.machines > 5
    headings, rows = table(found)
    assert headings[-1] == "1,000 pictures|right"
    assert len(rows) == len(found.options)
    assert rows[0][0] == found.best.served.name
    assert not any("xtrapolated" in line for line in lines(found))
    assert any(" figures are predicted within 10%" in line for line in lines(found))


def test_other_cores_are_called_an_extrapolation(bundle: Path, earlier: Path) -> None:
    found = plan_for(bundle, GOAL, Planned(costs=earlier, cores=8), requests=400)
    assert found.options[0].served.instances == 8
    assert any(
        line.startswith("Extrapolated: a machine of 8 cores was not measured") for line in lines(found)
    )


def test_costs_of_another_bundle_are_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / PLAN_NAME).write_text(plan(GOAL, "other").model_dump_json())
    with pytest.raises(UsageError, match="has the costs of other"):
        plan_for(bundle, GOAL, Planned(costs=tmp_path))


def test_a_result_that_is_missing_or_of_no_endpoint_is_refused(bundle: Path, earlier: Path) -> None:
    with pytest.raises(LithoError):
        plan_for(bundle, GOAL, Planned(costs=earlier, against=earlier))


def test_a_plan_without_loads_to_hold_against_has_an_empty_table() -> None:
    assert against_table(plan(GOAL))[1] == []
