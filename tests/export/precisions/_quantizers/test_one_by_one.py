"""Graphs with one layer lowered, which a search makes from one model."""

import numpy as np
import onnx
import pytest

from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import Inputs, Lowering, layers, precision
from litho.runners.base import runner_class
from litho.training.networks.pixel_model import PixelModel


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_each_has_one_layer_lowered_and_nothing_of_the_one_before(
    runtime: str, graph: bytes, calibration: list[Inputs], picture: PixelModel
) -> None:
    runner, int8 = runner_class(runtime), precision("int8")
    wanted = {runner.integers.passes.get(name, name) for name in int8.passes}
    rewritten, _ = apply_passes(graph, {*default_passes(), *wanted})
    names = layers(onnx.load_from_string(rewritten))
    seen: dict[str, object] = {}

    def alone(name: str) -> bytes:
        return int8.lower(
            Lowering(rewritten, frozenset(names) - {name}, calibration, runner.integers, seen=seen)
        )

    first = [alone(name) for name in names]
    assert len(set(first)) == len(names) > 1
    assert [alone(name) for name in names] == first
    inputs = picture.signature.example(16, seed=5)
    with runner.from_graph(apply_passes(graph, runner.passes)[0], picture.signature) as fp32:
        pictures = fp32.run(inputs)["image"].astype(float)
    for name, made in zip(names, first, strict=True):
        model = onnx.load_from_string(made)
        onnx.checker.check_model(model, full_check=True)
        lowered = {
            value for node in model.graph.node for value in node.output if value.endswith(".dequantized")
        }
        assert [node.name for node in model.graph.node if set(node.input[1:2]) & lowered] == [name]
        # As it is measured, and as a file that is kept would be.
        drafted, kept = (apply_passes(made, runner.passes, draft=draft)[0] for draft in (True, False))
        with (
            runner.from_graph(drafted, picture.signature) as one,
            runner.from_graph(kept, picture.signature) as other,
        ):
            np.testing.assert_array_equal(one.run(inputs)["image"], other.run(inputs)["image"])
            assert 0 < np.square(one.run(inputs)["image"] - pictures).mean() < 1
