"""Normalisations, scales and shifts of channels inside the weights before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

LAYERS = ("Conv", "ConvTranspose", "Gemm", "Gemm to picture")
AFTER = ("BatchNormalization", "Mul", "Add", "Sub", "Div", "Mul turned", "Add turned", "Sub turned")


def layered(
    build: Callable[..., bytes],
    layer: str,
    after: list[str],
    *,
    groups: int = 1,
    count: int = 2,
    bias: str = "each",
    scalar: bool = False,
    across: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
    epsilon: float = 1e-5,
    also: bool = False,
) -> bytes:
    """A graph of one layer and what follows it.

    Args:
        build: makes the file.
        layer: one of `LAYERS`.
        after: any of `AFTER`; "turned" has the constant first.
        groups: of a convolution.
        count: inputs and outputs of a group.
        bias: of the layer: "each" output's own, "row" for a matrix of one row, "one" for all, or "" for none.
        scalar: whether scales are one number for all channels.
        across: whether a product's weight is transposed.
        alpha, beta: of a product.
        epsilon: of a normalisation.
        also: whether the layer's result is read by another node too.
    """
    random = np.random.default_rng(0)
    picture, channels = layer != "Gemm", groups * count
    inputs: dict[str, list[Any]] = {"x": ["batch", channels, 5, 6]}
    weights = [channels, count, 2, 3]
    attributes: dict[str, Any] = {"group": groups}
    if layer.startswith("Gemm"):
        columns = channels * 6 if picture else channels
        inputs["x"], weights = ["batch", 5], [columns, 5] if across else [5, columns]
        attributes = {"transB": int(across), "alpha": alpha, "beta": beta}
    else:
        columns = channels
    constants = {"w": random.standard_normal(weights).astype(np.float32)}
    if bias:
        # A convolution takes a bias of one shape only.
        shape = {"each": [columns], "row": [1, columns], "one": []}[
            bias if layer.startswith("Gemm") else "each"
        ]
        constants["b"] = random.standard_normal(shape).astype(np.float32)
    nodes: list[Any] = [(layer.split()[0], ["x", *constants], "v", attributes)]
    if layer == "Gemm to picture":
        constants["shape"] = np.array([-1, channels, 2, 3])
        nodes.append(("Reshape", ["v", "shape"], "r", {}))
    last = nodes[-1][2]
    first = last
    shape = [channels, 1, 1] if picture else [channels]
    for number, kind in enumerate(after):
        name, content = f"c{number}", random.uniform(0.5, 2, [] if scalar else shape)
        operator, *turned = kind.split()
        if operator == "BatchNormalization":
            names = [f"{name}{part}" for part in ("gamma", "beta", "mean", "variance")]
            constants |= {part: random.uniform(0.5, 2, channels).astype(np.float32) for part in names}
            nodes.append((operator, [last, *names], f"n{number}", {"epsilon": epsilon}))
        else:
            constants[name] = content.astype(np.float32)
            nodes.append((operator, [name, last] if turned else [last, name], f"n{number}", {}))
        last = f"n{number}"
    nodes.append(("Neg", [last], "y", {}))
    if also:
        nodes.append(("Relu", [first], "z", {}))
    return build(nodes, constants, inputs, ["y", "z"] if also else ["y"])


@pytest.mark.slow
@settings(max_examples=100)
@given(
    layer=st.sampled_from(LAYERS),
    after=st.lists(st.sampled_from(AFTER), min_size=1, max_size=3),
    groups=st.integers(1, 3),
    count=st.integers(1, 3),
    bias=st.sampled_from(["each", "row", "one", ""]),
    scalar=st.booleans(),
    across=st.booleans(),
    alpha=st.sampled_from([1.0, 0.5, -2.0]),
    beta=st.sampled_from([1.0, 0.5, 0.0]),
    epsilon=st.sampled_from([1e-5, 1e-2]),
)
def test_everything_that_follows_a_layer_goes_into_it(
    build: Any, check: Any, layer: str, after: list[str], **rest: Any
) -> None:
    model, changed = check(layered(build, layer, after, **rest), "folding", tolerance=3e-5)
    assert changed == {"folding": len(after)}
    shaped = ["Reshape"] if layer == "Gemm to picture" else []
    assert [node.op_type for node in model.graph.node] == [layer.split()[0], *shaped, "Neg"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_that_another_reads_is_left_alone(build: Any, check: Any, layer: str) -> None:
    assert check(layered(build, layer, ["BatchNormalization", "Mul"], also=True), "folding")[1] == {}


def test_a_layer_that_is_an_output_is_left_alone(build: Any, check: Any) -> None:
    nodes = [("Conv", ["x", "w"], "z", {}), ("Mul", ["z", "c"], "y", {})]
    constants = {"w": np.ones((2, 2, 1, 1), np.float32), "c": np.float32(2)}
    graph = build(nodes, constants, {"x": ["batch", 2, 3, 4]}, ["y", "z"])
    assert check(graph, "folding")[1] == {}


@pytest.mark.parametrize("shared", ["w", "b"])
def test_weights_that_two_layers_share_stay_as_they_are_for_the_other(
    build: Any, check: Any, shared: str
) -> None:
    random = np.random.default_rng(0)
    constants = {
        name: random.standard_normal(shape).astype(np.float32)
        for name, shape in {
            "w": (2, 2, 1, 1),
            "w2": (2, 2, 1, 1),
            "b": (2,),
            "b2": (2,),
            "c": (2, 1, 1),
        }.items()
    }
    nodes = [
        ("Conv", ["x", "w", "b"], "scaled", {}),
        ("Mul", ["scaled", "c"], "v", {}),
        ("Conv", ["v", "w" if shared == "w" else "w2", "b" if shared == "b" else "b2"], "y", {}),
    ]
    assert check(build(nodes, constants, {"x": ["batch", 2, 3, 4]}), "folding")[1] == {"folding": 1}


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [
        ("Mul", ["v", "pixels"]),
        ("Add", ["v", "columns"]),
        ("Mul", ["v", "five"]),
        ("Mul", ["v", "fed"]),
        ("Mul", ["v", "v"]),
        ("Div", ["channel", "v"]),
        ("Div", ["v", "zero"]),
    ],
    ids=["per pixel", "per column", "more axes", "fed", "itself", "divisor", "division by nothing"],
)
def test_what_is_not_a_scale_of_channels_is_left_alone(
    build: Any, check: Any, operator: str, inputs: list[str]
) -> None:
    constants = {
        "w": np.ones((2, 2, 1, 1), np.float32),
        "pixels": np.ones((1, 2, 3, 4), np.float32),
        "columns": np.arange(4, dtype=np.float32),
        "five": np.ones((1, 1, 2, 1, 1), np.float32),
        "channel": np.ones((2, 1, 1), np.float32),
        "zero": np.zeros((2, 1, 1), np.float32),
    }
    nodes = [("Conv", ["x", "w"], "v", {}), (operator, inputs, "s", {}), ("Tanh", ["s"], "y", {})]
    kept = {name: content for name, content in constants.items() if name == "w" or name in inputs}
    graph = build(nodes, kept, {"x": ["batch", 2, 3, 4], "fed": ["batch", 2, 1, 1]})
    assert check(graph, "folding")[1] == {}


def test_one_channel_that_a_scale_makes_several_of_is_left_alone(build: Any, check: Any) -> None:
    constants = {"w": np.ones((1, 2, 1, 1), np.float32), "c": np.ones((3, 1, 1), np.float32)}
    nodes = [("Conv", ["x", "w"], "v", {}), ("Mul", ["v", "c"], "y", {})]
    assert check(build(nodes, constants, {"x": ["batch", 2, 3, 4]}), "folding")[1] == {}


@pytest.mark.parametrize("layer", ["ConvTranspose", "Gemm"])
@pytest.mark.parametrize("unknown", ["w", "b", "c"])
def test_weights_that_are_fed_are_left_alone(build: Any, check: Any, layer: str, unknown: str) -> None:
    gemm = layer == "Gemm"
    shapes: dict[str, list[int]] = {
        "w": [2, 3] if gemm else [2, 3, 2, 2],
        "b": [3],
        "c": [3] if gemm else [3, 1, 1],
    }
    constants = {name: np.ones(shape, np.float32) for name, shape in shapes.items() if name != unknown}
    nodes = [(layer, ["x", "w", "b"], "v", {}), ("Mul", ["v", "c"], "y", {})]
    inputs = {"x": ["batch", 2] if gemm else ["batch", 2, 3, 4], unknown: shapes[unknown]}
    assert check(build(nodes, constants, inputs), "folding")[1] == {}


def test_a_bias_that_differs_by_row_is_left_alone(build: Any, check: Any) -> None:
    constants = {
        "w": np.ones((2, 3), np.float32),
        "b": np.arange(3, dtype=np.float32)[:, None],
        "c": np.float32(2),
    }
    nodes = [("Gemm", ["x", "w", "b"], "v", {"transA": 1}), ("Mul", ["v", "c"], "y", {})]
    assert check(build(nodes, constants, {"x": [2, 3]}), "folding")[1] == {}


def test_the_other_operand_of_a_product_may_be_transposed(build: Any, check: Any) -> None:
    constants = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "c": np.arange(3, dtype=np.float32)}
    nodes = [("Gemm", ["x", "w"], "v", {"transA": 1}), ("Mul", ["v", "c"], "y", {})]
    assert check(build(nodes, constants, {"x": [2, "batch"]}), "folding")[1] == {"folding": 1}


def test_a_product_whose_rows_a_reshape_mixes_is_left_alone(build: Any, check: Any) -> None:
    constants = {"w": np.ones((2, 6), np.float32), "shape": np.array([-1, 3]), "c": np.ones(3, np.float32)}
    nodes = [
        ("Gemm", ["x", "w"], "v", {}),
        ("Reshape", ["v", "shape"], "r", {}),
        ("Mul", ["r", "c"], "y", {}),
    ]
    assert check(build(nodes, constants, {"x": ["batch", 2]}), "folding")[1] == {}
