"""Transposed convolutions as sub-pixel convolutions: every kernel, stride, padding, dilation and grouping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))


@pytest.mark.slow
@settings(max_examples=60)
@given(
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=PAIR | st.integers(1, 4).map(lambda stride: (stride, stride)),
    dilations=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 3)] * 4),
    extra=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    groups=st.integers(1, 3),
    inside=st.integers(1, 3),
    outside=st.integers(1, 3),
    side=PAIR,
    bias=st.booleans(),
)
def test_every_transposed_convolution_becomes_one_convolution(
    transposed: Any,
    check: Any,
    kernel: Any,
    strides: Any,
    dilations: Any,
    pads: Any,
    extra: Any,
    side: Any,
    **rest: Any,
) -> None:
    for axis in (0, 1):
        # ONNX Runtime takes no more output padding than that, and something must be left of the picture.
        assume(extra[axis] < strides[axis])
        reach = (side[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 + extra[axis]
        assume(reach > pads[axis] + pads[2 + axis])
    attributes = {"strides": strides, "dilations": dilations, "pads": pads, "output_padding": extra}
    model, changed = check(transposed(kernel=kernel, side=side, **attributes, **rest), "subpixel")
    assert changed == {"subpixel": 1}
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 1
    assert set(kinds) <= {"Conv", "DepthToSpace", "Slice", "Reshape", "Transpose"}


def test_a_dcgan_s_layer_multiplies_no_more_often_than_its_taps_ask_for(transposed: Any, check: Any) -> None:
    model, _ = check(transposed(strides=[2, 2], pads=[1, 1, 1, 1]), "subpixel")
    assert [node.op_type for node in model.graph.node] == ["Conv", "DepthToSpace", "Slice"]
    weights = {entry.name: list(entry.dims) for entry in model.graph.initializer}
    assert weights[model.graph.node[0].input[1]] == [4 * 3, 2, 2, 2]


def test_height_and_width_may_be_free_where_the_strides_are_equal(transposed: Any, check: Any) -> None:
    free = transposed(strides=[2, 2], side=("height", "width"))
    assert check(free, "subpixel")[1] == {"subpixel": 1}


@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [1, 2], "side": ("height", "width")},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"output_shape": [6, 10], "strides": [2, 2]},
    ],
    ids=["unequal strides of a free picture", "automatic padding", "output shape"],
)
def test_what_cannot_be_written_is_left_alone(
    transposed: Any, check: Any, attributes: dict[str, Any]
) -> None:
    assert check(transposed(**attributes), "subpixel")[1] == {}


@pytest.mark.parametrize("unknown", ["w", "b"])
def test_weights_that_are_fed_are_left_alone(build: Any, check: Any, unknown: str) -> None:
    shapes: dict[str, list[Any]] = {"w": [2, 3, 4, 4], "b": [3]}
    constants = {name: np.ones(shape, np.float32) for name, shape in shapes.items() if name != unknown}
    node = ("ConvTranspose", ["x", "w", "b"], "y", {"strides": [2, 2]})
    graph = build([node], constants, {"x": ["batch", 2, 3, 5], unknown: shapes[unknown]})
    assert check(graph, "subpixel")[1] == {}


def test_one_weight_may_be_read_by_two(build: Any, check: Any) -> None:
    weight = np.random.default_rng(0).standard_normal((2, 2, 3, 3)).astype(np.float32)
    nodes = [
        ("ConvTranspose", ["x", "w"], "inner", {"strides": [2, 2]}),
        ("ConvTranspose", ["inner", "w"], "y", {"strides": [1, 1]}),
    ]
    model, changed = check(build(nodes, {"w": weight}, {"x": ["batch", 2, 3, 5]}), "subpixel")
    assert changed == {"subpixel": 2}
    assert "ConvTranspose" not in {node.op_type for node in model.graph.node}
