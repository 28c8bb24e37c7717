"""The benchmark of graph passes measures what it says."""

import onnx
import pytest
import typer
from typer.testing import CliRunner

from litho.benchmarks.passes import graphs, run as module
from litho.benchmarks.passes.run import CASES, Case, measure
from litho.errors import UsageError

BY_NAME = {case.name: case for case in CASES}


def operators(graph: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(graph).graph.node]


@pytest.mark.parametrize("name", ["folding", "constants-spectral", "label", "ratio-32-32-32"])
def test_the_passes_of_a_case_change_its_graph(name: str) -> None:
    before, after = BY_NAME[name].graphs()
    assert operators(before) != operators(after)


def test_below_eight_inputs_for_an_output_the_pass_is_forced_for_the_measurement_alone() -> None:
    build = BY_NAME["ratio-32-32-32"].build
    before, after = Case("kept", build, ("upsample",)).graphs()
    assert before == after


def test_less_work_is_a_gain_and_a_runtime_that_refuses_is_a_reason() -> None:
    layer = Case("layer", lambda: graphs.upsampled((32, 1), 16), ("upsample",))
    damaged = Case("damaged", lambda: b"", (), runtimes=("openvino",))
    gains = measure((layer, damaged), batches=(4,), seconds=0.02)
    assert [(one.runtime, one.batch) for one in gains.gains] == [("onnxruntime", 4), ("openvino", 4)]
    assert all(one.pairs >= 5 and one.low <= one.ratio <= one.high for one in gains.gains)
    assert gains.of("layer", "onnxruntime")[0].ratio > 1.2
    assert list(gains.failures) == ["damaged, openvino"]


def test_no_time_is_refused() -> None:
    with pytest.raises(UsageError, match="it takes a positive number"):
        measure((), seconds=0)


def test_help_names_the_file() -> None:
    app = typer.Typer()
    app.command()(module.main)
    assert "File of the result" in CliRunner().invoke(app, ["--help"]).output
