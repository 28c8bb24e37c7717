"""Nearest upsampling and a convolution as one smaller convolution, wherever that pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

REPEATING = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def upsampled(
    build: Callable[..., bytes],
    *,
    scales: tuple[float, float] = (2, 2),
    law: dict[str, str] = REPEATING,
    groups: int = 1,
    inside: int = 8,
    outside: int = 1,
    kernel: tuple[int, int] = (3, 3),
    side: tuple[Any, Any] = (3, 5),
    bias: bool = True,
    also: str = "",
    **attributes: Any,
) -> bytes:
    """A graph of one upsampling and one convolution; `also` is an operator that reads the upsampled picture too."""
    random = np.random.default_rng(0)
    constants = {
        "s": np.array([1, 1, *scales], np.float32),
        "w": random.standard_normal((groups * outside, inside, *kernel)).astype(np.float32),
    }
    inputs = ["big", "w"]
    if bias:
        constants["b"] = random.standard_normal(groups * outside).astype(np.float32)
        inputs.append("b")
    nodes = [
        ("Resize", ["x", "", "s"], "big", law),
        ("Conv", inputs, "y", {"group": groups, **attributes}),
    ]
    outputs = ["y"]
    if also:
        nodes.append((also, ["big"], "z", {}))
        outputs.append("z")
    return build(nodes, constants, {"x": ["batch", groups * inside, *side]}, outputs)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    scale=st.integers(2, 4),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    pads=st.tuples(*[st.integers(0, 4)] * 4),
    groups=st.integers(1, 3),
    inside=st.integers(16, 18),
    outside=st.integers(1, 2),
    side=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    bias=st.booleans(),
)
def test_every_kernel_that_gets_smaller_is_rewritten(
    build: Any, check: Any, scale: int, kernel: Any, pads: Any, side: Any, **rest: Any
) -> None:
    for axis in (0, 1):
        assume(side[axis] * scale + pads[axis] + pads[2 + axis] >= kernel[axis])
    graph = upsampled(build, scales=(scale, scale), kernel=kernel, pads=pads, side=side, **rest)
    model, changed = check(graph, "upsample")
    # A kernel of k taps sees at least 1 + (k - 1) / scale pixels, rounded up.
    fewest = [1 + -(-(taps - 1) // scale) for taps in kernel]
    if np.prod(fewest) == np.prod(kernel):
        assert changed == {}
        return
    assert changed == {"upsample": 1}
    kinds = [node.op_type for node in model.graph.node]
    assert kinds[:2] == ["Conv", "DepthToSpace"]
    assert set(kinds[2:]) <= {"Slice"}
    weights = {entry.name: list(entry.dims) for entry in model.graph.initializer}
    assert weights[model.graph.node[0].input[1]][2:] == fewest


@pytest.mark.parametrize("coordinates", ["asymmetric", "half_pixel"])
@pytest.mark.parametrize("rounding", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_only_laws_that_repeat_every_pixel_alike_are_rewritten(
    build: Any, check: Any, coordinates: str, rounding: str, scale: int
) -> None:
    law = {"mode": "nearest", "coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    _, changed = check(upsampled(build, scales=(scale, scale), law=law), "upsample")
    repeating = rounding == "floor" if coordinates == "asymmetric" else rounding.startswith("round")
    assert bool(changed) == repeating


@pytest.mark.parametrize(
    "attributes",
    [
        {"scales": (2, 3)},
        {"scales": (1.5, 1.5)},
        {"scales": (1, 1)},
        {"law": {**REPEATING, "mode": "linear"}},
        {"strides": [2, 2]},
        {"dilations": [2, 2]},
        {"auto_pad": "SAME_UPPER"},
        {"kernel": (1, 1)},
        {"inside": 7},
        {"outside": 2, "groups": 2},
    ],
    ids=[
        "unequal",
        "broken",
        "none",
        "linear",
        "stride",
        "dilation",
        "automatic padding",
        "one tap",
        "few inputs",
        "in groups",
    ],
)
def test_what_cannot_be_written_or_saves_nothing_is_left_alone(
    build: Any, check: Any, attributes: dict[str, Any]
) -> None:
    assert check(upsampled(build, **attributes), "upsample")[1] == {}


def test_height_and_width_may_be_free(build: Any, check: Any) -> None:
    graph = upsampled(build, side=("height", "width"), pads=[1, 1, 1, 1])
    assert check(graph, "upsample")[1] == {"upsample": 1}


def test_an_upsampled_picture_that_another_reads_stays_for_it(build: Any, check: Any) -> None:
    model, changed = check(upsampled(build, also="Relu"), "upsample")
    assert changed == {"upsample": 1}
    assert "Resize" in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("unknown", ["w", "b"])
def test_weights_that_are_fed_are_left_alone(build: Any, check: Any, unknown: str) -> None:
    shapes: dict[str, list[int]] = {"w": [1, 8, 3, 3], "b": [1]}
    constants = {name: np.ones(shape, np.float32) for name, shape in shapes.items() if name != unknown}
    constants["s"] = np.array([1, 1, 2, 2], np.float32)
    nodes = [("Resize", ["x", "", "s"], "big", REPEATING), ("Conv", ["big", "w", "b"], "y", {})]
    graph = build(nodes, constants, {"x": ["batch", 8, 3, 5], unknown: shapes[unknown]})
    assert check(graph, "upsample")[1] == {}
