from pathlib import Path

import pytest

from litho.benchmarks.mlperf.answering import Outcome, Plan, answer
from litho.errors import LithoError, UsageError


def plan(target: object, bundle: Path, **change: object) -> Plan:
    given = {
        "target": str(target),
        "variant": None,
        "bundle": str(bundle),
        "scenario": "SingleStream",
        "mode": "PerformanceOnly",
        "settings": {},
        "logs": "",
    }
    return Plan.model_validate({**given, **change})


def refuse(outcome: Outcome) -> None:
    raise AssertionError(outcome)


def test_a_plan_is_read_back(tmp_path: Path) -> None:
    made = plan(
        "bundles/digits", tmp_path, settings={"min_duration_ms": 60000, "server_target_qps": 1.5}, window=4
    )
    assert Plan.model_validate_json(made.model_dump_json()) == made


def test_a_target_that_is_none_or_fails_is_reported_before_loadgen_starts(bundle, planted_server) -> None:
    with pytest.raises(UsageError, match="is no bundle, run or endpoint"):
        answer(plan("bundles/nothing", bundle), refuse)
    planted_server.fail_after = 0
    with pytest.raises(LithoError, match="a planted fault"):
        answer(plan(planted_server.url, bundle), refuse)
