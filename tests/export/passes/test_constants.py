"""Values that depend on weights alone become constants; what depends on a picture, and the noise, stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from litho.export.passes import apply_passes
from litho.export.precisions import layers

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def test_a_scaled_weight_is_stored_scaled_and_the_layer_counts_as_one(build: Any, check: Any) -> None:
    weight, scale = normal(5, 4, 3, 3), np.float32(0.17)
    nodes = [("Mul", ["w", "s"], "scaled", {}), ("Conv", ["x", "scaled"], "y", {"pads": [1, 1, 1, 1]})]
    before = build(nodes, {"w": weight, "s": scale}, {"x": ["batch", 4, 6, 6]})
    assert layers(onnx.load_from_string(before)) == []
    after, changed = check(before, "constants")
    assert changed == {"constants": 1}
    assert len(layers(after)) == 1
    (stored,) = after.graph.initializer
    assert np.array_equal(numpy_helper.to_array(stored), weight * scale), "the same bits"


def test_the_normalised_weight_of_spectral_norm_is_stored(build: Any, check: Any) -> None:
    nodes = [
        ("Reshape", ["w", "rows"], "matrix", {}),
        ("MatMul", ["matrix", "v"], "wv", {}),
        ("Transpose", ["u"], "ut", {"perm": [1, 0]}),
        ("MatMul", ["ut", "wv"], "sigma", {}),
        ("Reshape", ["sigma", "one"], "number", {}),
        ("Div", ["w", "number"], "normal", {}),
        ("Conv", ["x", "normal"], "y", {}),
    ]
    constants = {
        "w": normal(4, 3, 3, 3),
        "u": normal(4, 1),
        "v": normal(27, 1),
        "rows": np.array([4, -1]),
        "one": np.array([1, 1, 1, 1]),
    }
    after, changed = check(build(nodes, constants, {"x": ["batch", 3, 6, 6]}), "constants")
    assert changed == {"constants": 6}
    assert [node.op_type for node in after.graph.node] == ["Conv"]
    assert len(after.graph.initializer) == 1


def test_what_depends_on_a_style_stays_and_reads_the_stored_weight(build: Any, check: Any) -> None:
    nodes = [
        ("Mul", ["w", "s"], "scaled", {}),
        ("Unsqueeze", ["scaled", "front"], "wide", {}),
        ("Reshape", ["x", "shape"], "style", {}),
        ("Mul", ["wide", "style"], "modulated", {}),
        ("ReduceSumSquare", ["modulated", "inside"], "power", {"keepdims": 0}),
        ("MatMul", ["x", "scaled"], "product", {}),
        ("Add", ["product", "power"], "y", {}),
    ]
    constants = {
        "w": normal(40, 40),
        "s": np.float32(2),
        "front": np.array([0]),
        "shape": np.array([-1, 40, 1]),
        "inside": np.array([1]),
    }
    before = build(nodes, constants, {"x": ["batch", 40]})
    after, changed = check(before, "constants")
    assert changed == {"constants": 1}
    assert "Unsqueeze" in {node.op_type for node in after.graph.node}, "large weights are not stored twice"
    assert len(after.SerializeToString()) <= len(before) + 200


@pytest.mark.parametrize("small", [True, False])
def test_a_constant_that_would_blow_up_the_file_stays_a_computation(
    build: Any, check: Any, small: bool
) -> None:
    side = 4 if small else 400
    nodes = [
        ("Neg", ["number"], "negative", {}),
        ("Expand", ["negative", "shape"], "map", {}),
        ("Add", ["x", "map"], "y", {}),
    ]
    constants = {"number": normal(1), "shape": np.array([1, side, side])}
    after, changed = check(build(nodes, constants, {"x": ["batch", side, side]}), "constants")
    assert changed == {"constants": 2 if small else 1}
    assert len(after.SerializeToString()) < 1000


def test_quantized_weights_random_numbers_and_the_noise_stay(build: Any) -> None:
    nodes = [
        ("Neg", ["w"], "negative", {}),
        ("QuantizeLinear", ["negative", "s"], "q", {}),
        ("DequantizeLinear", ["q", "s"], "d", {}),
        ("RandomNormalLike", ["w"], "r", {}),
        ("Add", ["d", "r"], "e", {}),
        ("MatMul", ["x", "e"], "y", {}),
    ]
    graph = build(nodes, {"w": normal(3, 3), "s": np.float32(0.1)}, {"x": ["batch", 3]})
    after, changed = apply_passes(graph, ["constants"])
    kinds = [node.op_type for node in onnx.load_from_string(after).graph.node]
    assert (changed, kinds) == ({"constants": 1}, [kind for kind, *_ in nodes[1:]])
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        node.name = f"noise/{node.op_type}"
    assert apply_passes(model.SerializeToString(), ["constants"])[1] == {}
