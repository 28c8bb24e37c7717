from pathlib import Path

from litho.benchmarks.gateway.fuzz import run_schemathesis
from litho.benchmarks.gateway.process import GatewayProcess


def test_what_schemathesis_generates_breaks_nothing(process: GatewayProcess, tmp_path: Path) -> None:
    found, answers = run_schemathesis(
        process.url, tmp_path / "run", seed=1, examples=1, phases="coverage,fuzzing"
    )
    assert not found.failures
    assert found.cases >= found.operations > 5
    assert answers["2xx"]
    assert not answers["5xx"]
