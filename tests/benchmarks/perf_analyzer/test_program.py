import json
from pathlib import Path

import pytest

from litho.benchmarks.perf_analyzer.program import PerfAnalyzer, find_perf_analyzer, perf_analyzer_rows
from litho.errors import LithoError, UsageError

from ..planted_triton import SIGNATURE


def test_the_rows_of_perf_analyzer_are_what_the_signature_allows() -> None:
    rows = perf_analyzer_rows(SIGNATURE, 3)
    assert len(rows) == 3
    assert [row["label"] for row in rows] == [{"content": [label], "shape": [1]} for label in range(3)]
    assert json.loads(json.dumps(rows)) == rows


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERF_ANALYZER", "/nowhere/perf_analyzer")
    with pytest.raises(UsageError, match=r"not found \(/nowhere/perf_analyzer\); name NVIDIA's program"):
        find_perf_analyzer()


def program(folder: Path, text: str) -> PerfAnalyzer:
    file = folder / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return PerfAnalyzer(str(file), "model", {"grpc": "127.0.0.1:1"}, SIGNATURE, folder)


def test_its_report_is_read_and_its_failure_quoted(tmp_path: Path) -> None:
    report = "Inferences/Second,p50 latency,p99 latency\\n12.5,1500,9000\\n"
    side = program(tmp_path, f'printf "{report}" > {tmp_path}/report.csv').measure("grpc", 4, 3.0)
    assert (side.requests_per_second, side.p50_ms, side.p99_ms) == (12.5, 1.5, 9.0)
    with pytest.raises(LithoError, match="perf_analyzer failed: error: no such model"):
        program(tmp_path, "echo error: no such model; exit 1").measure("grpc", 4, 3.0)
    with pytest.raises(LithoError, match="no throughput and latency"):
        program(tmp_path, f"echo Inferences > {tmp_path}/report.csv").measure("grpc", 4, 3.0)


def test_a_machine_that_stalled_in_every_window_is_measured_again(tmp_path: Path) -> None:
    report = "Inferences/Second,p50 latency,p99 latency\\n12.5,1500,9000\\n"
    tried = tmp_path / "tried"
    first = f"[ -e {tried} ] || {{ touch {tried}; echo Failed to obtain stable measurement.; exit 1; }}"
    again = program(tmp_path, f'{first}\nprintf "{report}" > {tmp_path}/report.csv')
    assert again.measure("grpc", 4, 3.0).p50_ms == 1.5
    with pytest.raises(LithoError, match="perf_analyzer failed: Failed to obtain stable measurement"):
        program(tmp_path, "echo Failed to obtain stable measurement.; exit 1").measure("grpc", 4, 3.0)
