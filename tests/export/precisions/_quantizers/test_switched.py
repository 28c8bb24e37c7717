"""One graph whose further input chooses the layer that is lowered."""

import numpy as np
import onnx
import pytest

from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import Inputs, Lowering, layers, precision
from litho.export.precisions.base import SWITCH
from litho.runners.base import Integers, runner_class
from litho.runners.onnxruntime import Runner
from litho.signature.fields import condition_field
from litho.training.networks.pixel_model import PixelModel


@pytest.mark.parametrize("name", ["int8", "fp8"])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_its_pictures_are_those_of_a_graph_with_that_layer_lowered(
    runtime: str, name: str, graph: bytes, calibration: list[Inputs], picture: PixelModel
) -> None:
    integers, lower = runner_class(runtime).integers, precision(name)
    wanted = {integers.passes.get(one, one) for one in lower.passes}
    rewritten, _ = apply_passes(graph, {*default_passes(), *wanted})
    names = layers(onnx.load_from_string(rewritten))
    lowering = Lowering(rewritten, frozenset(), calibration, integers)
    made = lower.switched(lowering)
    assert made is not None
    onnx.checker.check_model(onnx.load_from_string(made), full_check=True)
    inputs = picture.signature.example(16, seed=5)
    fields = (*picture.signature.inputs, condition_field(SWITCH))
    with Runner(made, picture.signature.model_copy(update={"inputs": fields})) as one:

        def chosen(number: int) -> np.ndarray:
            return one.run({**inputs, SWITCH: np.full(16, number, np.float32)})["image"].astype(int)

        with Runner(rewritten, picture.signature) as fp32:
            plain = fp32.run(inputs)["image"].astype(int)
        assert np.abs(chosen(-1) - plain).max() <= 1
        for number, layer in enumerate(names):
            alone = lower.lower(Lowering(rewritten, frozenset(names) - {layer}, calibration, integers))
            with Runner(alone, picture.signature) as other:
                pictures = other.run(inputs)["image"].astype(int)
            error = np.square(pictures - plain).mean()
            assert error > 0
            assert np.square(chosen(number) - pictures).mean() < 0.1 * error


def test_another_quantizer_has_none(graph: bytes, calibration: list[Inputs]) -> None:
    lowering = Lowering(graph, frozenset(), calibration, Integers(), "nncf")
    assert precision("int8").switched(lowering) is None
    assert precision("fp16").switched(Lowering(graph)) is None
