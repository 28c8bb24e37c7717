from pathlib import Path

import pytest

from litho.export.build import export


@pytest.mark.slow
def test_an_engine_that_cannot_be_built_fails_alone(run: Path, tmp_path: Path) -> None:
    # TensorRT-RTX has no matrix product in FP32 for Turing.
    made = export(
        run, to=tmp_path / "bundle", runtimes=["tensorrt-rtx"], targets=["sm75", "sm86"], timed=False
    )
    graph, turing, ampere = made.manifest.variants
    assert (graph.verdict.status, ampere.verdict.status) == ("passed", "not_run")
    assert turing.verdict.status == "failed"
    assert "built no engine for sm75" in turing.verdict.reason
    assert made.read(turing.file).decode().strip() == turing.verdict.reason
