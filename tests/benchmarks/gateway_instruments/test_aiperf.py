"""AIPerf's report is read, and what went wrong is said."""

import json
from pathlib import Path

import pytest

from litho.benchmarks.gateway_instruments.aiperf import REPORT, AiPerf, find_aiperf
from litho.errors import LithoError, UsageError


def program(folder: Path, text: str) -> AiPerf:
    file = folder / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return AiPerf(str(file), "model", "http://127.0.0.1:1", ["3"], folder / "files")


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIPERF", "/nowhere/aiperf")
    with pytest.raises(UsageError, match=r"not found \(/nowhere/aiperf\)"):
        find_aiperf()


def test_its_report_is_read(tmp_path: Path) -> None:
    report = {"request_throughput": {"avg": 65.0}, "request_latency": {"p50": 78.5, "p99": 558.0}}
    results = tmp_path / "files" / "results"
    write = f"mkdir -p {results}; echo '{json.dumps(report)}' > {results / REPORT}"
    side = program(tmp_path, write).measure(8, 1.0)
    assert (side.requests_per_second, side.p50_ms, side.p99_ms) == (65.0, 78.5, 558.0)
    failed = json.dumps({**report, "error_request_count": {"avg": 2}})
    with pytest.raises(LithoError, match="2 requests of aiperf failed"):
        program(tmp_path, f"mkdir -p {results}; echo '{failed}' > {results / REPORT}").measure(8, 1.0)
    with pytest.raises(LithoError, match="has no throughput and latency"):
        program(tmp_path, f"mkdir -p {results}; echo 3 > {results / REPORT}").measure(8, 1.0)


def test_its_failure_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(LithoError, match="aiperf failed: Reason: nobody listens"):
        program(tmp_path, "echo '│    Reason: nobody listens   │'; exit 1").measure(8, 1.0)
    with pytest.raises(LithoError, match="aiperf failed: exit code 3"):
        program(tmp_path, "exit 3").measure(8, 1.0)
