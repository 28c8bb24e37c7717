"""A run in every runtime of a device."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks.device_bench import measure


@pytest.mark.slow
def test_every_form_has_a_point_for_each_batch(run: Path) -> None:
    measured = measure(run, device="cpu", batches=(1, 2), seconds=1.2)
    assert "torch eager" in measured.results
    assert "generator.fp32.onnx" in measured.results
    for result in measured.results.values():
        assert [point.load.batch for point in result.points] == [1, 2]
    assert measured.multiply_adds > 0


def test_help_says_what_a_device_is() -> None:
    import typer

    from litho.benchmarks.device_bench import main

    app = typer.Typer()
    app.command()(main)
    assert "cuda, or cpu" in CliRunner().invoke(app, ["--help"]).output
