"""litho's own quantizer, as a whole."""

from typing import Any

import numpy as np
import onnx

from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import Inputs, Lowering, layers, precision
from litho.runners.base import Integers
from litho.runners.onnxruntime import Runner
from litho.runners.openvino import Runner as OpenVino
from litho.training.networks.pixel_model import PixelModel

INT8 = precision("int8")


def _rewritten(graph: bytes) -> bytes:
    return apply_passes(graph, {*default_passes(), *INT8.passes})[0]


def test_what_was_measured_once_serves_every_choice_of_layers(
    graph: bytes, calibration: list[Inputs]
) -> None:
    rewritten = _rewritten(graph)
    first, *_ = layers(onnx.load_from_string(rewritten))
    shared: dict[Any, Any] = {}
    for kept in (frozenset[str](), frozenset([first])):
        alone = INT8.lower(Lowering(rewritten, kept, calibration, Runner.integers))
        assert INT8.lower(Lowering(rewritten, kept, calibration, Runner.integers, seen=shared)) == alone


def test_what_was_measured_for_one_runtime_serves_another_with_the_same_graph(
    graph: bytes, calibration: list[Inputs]
) -> None:
    rewritten, (first, second) = _rewritten(graph), (Runner.integers, OpenVino.integers)

    def made(integers: Integers, shared: dict[Any, Any], batches: int = 2) -> bytes | None:
        return INT8.switched(Lowering(rewritten, frozenset(), calibration[:batches], integers, seen=shared))

    shared: dict[Any, Any] = {}
    assert made(first, shared) == made(first, {})
    # Another calibration changes nothing any more.
    assert made(first, shared, 1) == made(first, {}) != made(first, {}, 1)
    assert made(second, shared, 1) == made(second, {}) != made(second, {}, 1)
    shared = {}
    assert made(second, shared) == made(second, {})
    assert made(first, shared) == made(first, {})


def test_a_picture_of_all_layers_in_int8_is_that_of_fp32_to_less_than_a_grey_level(
    graph: bytes, calibration: list[Inputs], picture: PixelModel
) -> None:
    made = INT8.lower(Lowering(_rewritten(graph), frozenset(), calibration, Runner.integers))
    inputs = picture.signature.example(64, seed=5)
    with Runner(graph, picture.signature) as fp32, Runner(made, picture.signature) as int8:
        difference = int8.run(inputs)["image"].astype(float) - fp32.run(inputs)["image"]
    assert 0 < np.square(difference).mean() < 1
