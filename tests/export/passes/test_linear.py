"""Transposed convolutions of one pixel as matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st


@pytest.mark.slow
@settings(max_examples=60)
@given(
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    inside=st.integers(1, 4),
    outside=st.integers(1, 4),
    bias=st.booleans(),
)
def test_every_one_of_a_single_pixel_becomes_a_product(
    transposed: Any, check: Any, kernel: Any, pads: Any, **rest: Any
) -> None:
    for axis in (0, 1):
        assume(kernel[axis] > pads[axis] + pads[2 + axis])
    model, changed = check(transposed(side=(1, 1), kernel=kernel, pads=pads, **rest), "linear")
    assert changed == {"linear": 1}
    assert [node.op_type for node in model.graph.node] == ["Reshape", "Gemm", "Reshape"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"side": (1, 2)},
        {"side": ("height", 1)},
        {"groups": 2},
        {"strides": [2, 2], "output_padding": [1, 1]},
        {"dilations": [2, 2]},
        {"auto_pad": "VALID"},
        {"output_shape": [4, 4]},
    ],
    ids=["two pixels", "free", "groups", "output padding", "dilation", "automatic padding", "output shape"],
)
def test_others_are_left_alone(transposed: Any, check: Any, attributes: dict[str, Any]) -> None:
    assert check(transposed(**{"side": (1, 1), **attributes}), "linear")[1] == {}


@pytest.mark.parametrize("unknown", ["w", "b"])
def test_weights_that_are_fed_are_left_alone(build: Any, check: Any, unknown: str) -> None:
    shapes: dict[str, list[int]] = {"w": [3, 2, 4, 4], "b": [2]}
    constants = {name: np.ones(shape, np.float32) for name, shape in shapes.items() if name != unknown}
    node = ("ConvTranspose", ["x", "w", "b"], "y", {})
    graph = build([node], constants, {"x": ["batch", 3, 1, 1], unknown: shapes[unknown]})
    assert check(graph, "linear")[1] == {}
