"""A run in every runtime of a device."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks.device_bench.run import measure


@pytest.mark.slow
def test_every_form_has_a_point_for_each_batch(run: Path) -> None:
    measured = measure(run, device="cpu", batches=(1, 2), seconds=1.2)
    assert "torch eager" in measured.results
    assert "generator.fp32.onnx" in measured.results
    for result in measured.results.values():
        assert [point.load.batch for point in result.points] == [1, 2]
    assert measured.multiply_adds > 0


def test_without_a_runtime_of_graphs_pytorch_is_measured_alone(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    kept: list[int] = []
    measured = measure(
        run, device="cpu", batches=(1,), seconds=0.1, keep=lambda so_far: kept.append(len(so_far.results))
    )
    assert sorted(measured.results) == ["torch BF16", "torch eager"]
    assert kept == [1, 2], "what was measured is kept after each form"
    assert "onnxruntime" in measured.missing["graphs"]


def test_help_says_what_a_device_is() -> None:
    import typer

    from litho.benchmarks.device_bench.run import main

    app = typer.Typer()
    app.command()(main)
    assert "cuda, or cpu" in CliRunner().invoke(app, ["--help"]).output
