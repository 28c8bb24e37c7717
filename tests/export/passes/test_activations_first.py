"""Activation functions before the moves of their input."""

from typing import Any

import numpy as np


def test_a_relu_moves_before_depth_to_space_crop_and_reshape(build: Any, check: Any) -> None:
    nodes = [
        ("Conv", ["x", "w"], "a", {}),
        ("DepthToSpace", ["a"], "b", {"blocksize": 2, "mode": "CRD"}),
        ("Slice", ["b", "from", "to", "axes"], "c", {}),
        ("Relu", ["c"], "d", {}),
        ("Reshape", ["d", "shape"], "e", {}),
        ("Tanh", ["e"], "y", {}),
    ]
    constants = {
        "w": np.random.default_rng(0).standard_normal((4, 2, 1, 1)).astype(np.float32),
        "from": np.array([1, 1]),
        "to": np.array([-1, -1]),
        "axes": np.array([2, 3]),
        "shape": np.array([0, -1]),
    }
    model, changed = check(build(nodes, constants, {"x": ["batch", 2, 3, 3]}), "activations_first")
    assert [node.op_type for node in model.graph.node] == [
        "Conv",
        "Relu",
        "Tanh",
        "DepthToSpace",
        "Slice",
        "Reshape",
    ]
    assert changed == {"activations_first": 2}


def test_a_value_that_others_read_too_keeps_its_place(build: Any, check: Any) -> None:
    nodes = [
        ("Reshape", ["x", "shape"], "a", {}),
        ("Relu", ["a"], "b", {}),
        ("Add", ["a", "b"], "y", {}),
    ]
    model, changed = check(
        build(nodes, {"shape": np.array([0, 4])}, {"x": ["batch", 2, 2]}), "activations_first"
    )
    assert [node.op_type for node in model.graph.node] == ["Reshape", "Relu", "Add"]
    assert changed == {}
