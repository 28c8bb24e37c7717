from pathlib import Path

import pytest

from litho.benchmarks.mlperf.answering import Outcome, Plan
from litho.benchmarks.mlperf.logs import Summary
from litho.benchmarks.mlperf.process import Driver, Run
from litho.benchmarks.mlperf.systems import WARMUP_QUERIES
from litho.errors import EndpointError, UsageError

SETTINGS = {"min_duration_ms": 100, "min_query_count": 64}


@pytest.fixture
def plan(bundle: Path) -> Plan:
    return Plan(
        target="",
        variant=None,
        bundle=str(bundle),
        scenario="SingleStream",
        mode="",
        settings={},
        warmup_seconds=0.05,
        logs="",
    )


def run_of(summary: Summary | None, **outcome: object) -> Run:
    given = {"answered": 9, "failed": {}, "seconds": 1, "cpu_seconds": 1, **outcome}
    return Run(summary, Outcome.model_validate(given), [], Path())


def test_a_run_is_valid_only_if_loadgen_says_so_and_nothing_failed() -> None:
    valid = Summary(valid=True, figures={}, parameters={})
    assert run_of(valid).reason == ""
    assert run_of(valid, failed={"gone": 2}).reason == "2 samples failed: gone"
    assert run_of(None, stopped="nothing came").reason == "nothing came"
    assert run_of(None).reason
    assert run_of(valid.model_copy(update={"valid": False, "unmet": ("Min duration",)})).reason


def test_a_target_that_dies_before_the_first_answer_is_an_error(
    plan, planted_server, samples, tmp_path
) -> None:
    planted_server.fail_after = WARMUP_QUERIES
    planned = plan.model_copy(update={"target": planted_server.url, "warmup_seconds": 0.0})
    with pytest.raises(EndpointError, match=r"none of \d+ requests succeeded; the first error: a planted"):
        Driver(planned, samples.shape, tmp_path).performance(SETTINGS)


def test_what_the_process_refuses_is_refused_here(plan, samples, tmp_path) -> None:
    planned = plan.model_copy(update={"target": "bundles/nothing"})
    with pytest.raises(UsageError, match="is no bundle, run or endpoint"):
        Driver(planned, samples.shape, tmp_path).performance(SETTINGS)
