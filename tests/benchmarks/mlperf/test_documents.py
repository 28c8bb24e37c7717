import json
from pathlib import Path

import pytest

from litho.benchmarks.mlperf.documents import Accuracy, LoadgenResult, ScenarioResult, Trial, read_result
from litho.benchmarks.shared.machine import describe_machine
from litho.bundle.manifest import Verdict

PASSED = Accuracy(pictures=136, verdict=Verdict(status="passed"))
WRONG = Accuracy(pictures=9, verdict=Verdict(status="failed", reason="a pixel is 200 grey levels off"))
SCENARIO = ScenarioResult(
    scenario="server",
    metric="Completed samples per second",
    value=298.8,
    unit="samples/s",
    loadgen="VALID",
    bound_ms=15,
    samples=900,
    seconds=3.1,
    failed={},
    latency_ms={"50.00": 0.7, "99.00": 4.7},
    client_cpu_ms=0.2,
    under_load=PASSED,
    accuracy=PASSED,
    trials=(Trial(rate=300, seconds=3, held=True, p99_ms=4.7),),
    summary_log="server.txt",
)
RESULT = LoadgenResult(
    target="digits, served by Triton",
    variant="generator.fp32.onnx",
    precision="fp32",
    grade="same picture",
    kind="endpoint",
    seconds=3,
    loadgen_version="6.0.17",
    note="no official MLPerf result",
    command="python -m litho.benchmarks.mlperf",
    measured_at="2026-11-26T07:43:17+00:00",
    machine=describe_machine(),
    scenarios=(SCENARIO,),
)


def test_a_result_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "loadgen.json").write_text(json.dumps(RESULT.model_dump()))
    assert read_result(tmp_path / "loadgen.json") == RESULT
    assert RESULT.problems == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"loadgen": "INVALID", "loadgen_reason": "not satisfied: Min duration"},
            "LoadGen says INVALID: not satisfied",
        ),
        ({"failed": {"UNAVAILABLE: gone": 1}}, "1 samples failed, the first with: UNAVAILABLE: gone"),
        ({"under_load": WRONG}, "wrong pictures under load: a pixel is 200"),
        ({"accuracy": WRONG}, "wrong pictures in accuracy mode: a pixel is 200"),
    ],
)
def test_one_fault_makes_a_scenario_invalid(change: dict[str, object], reason: str) -> None:
    broken = SCENARIO.model_copy(update=change)
    assert not broken.valid
    assert broken.reason.startswith(reason)
    assert RESULT.model_copy(update={"scenarios": (broken,)}).problems[0].startswith(f"server: {reason}")


def test_an_interrupted_result_says_so_first() -> None:
    stopped = RESULT.model_copy(update={"stopped": "interrupted"})
    assert stopped.problems == ("scenarios are missing: interrupted",)
