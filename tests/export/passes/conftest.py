"""Shared by the tests of passes: small graphs, and a check of everything that a pass promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from litho.export.passes import apply_passes

Node = tuple[str, list[str], str, dict[str, Any]]
"""Operator, inputs, output and attributes."""

Build = Callable[..., bytes]
Check = Callable[..., tuple[onnx.ModelProto, dict[str, int]]]

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Of a sum of values near 1 in FP32."""


def build_graph(
    nodes: Sequence[Node],
    constants: Mapping[str, np.ndarray],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str] = ("y",),
) -> bytes:
    """An ONNX file whose nodes have no names, as those of most exporters; FP32 in and out."""
    graph = helper.make_graph(
        [helper.make_node(kind, names, [name], **attributes) for kind, names, name, attributes in nodes],
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(content), name) for name, content in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def run_graph(graph: bytes, batch: int) -> list[np.ndarray]:
    """What a graph gives for a batch of normal noise."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(batch)
    shapes = {
        value.name: [extent if isinstance(extent, int) else batch for extent in value.shape]
        for value in session.get_inputs()
    }
    feeds = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return [np.asarray(output) for output in session.run(None, feeds)]


def check_passes(
    graph: bytes, *names: str, tolerance: float = 1e-5
) -> tuple[onnx.ModelProto, dict[str, int]]:
    """Apply passes to a graph and prove what every pass promises.

    The pictures stay the same up to the rounding of FP32, in any batch; so do names, dtypes and shapes of inputs and
    outputs; applying them twice to the same graph gives the same bytes; another one finds nothing to do.

    Returns:
        The rewritten graph, and how often each pass changed something.
    """
    after, changed = apply_passes(graph, names)
    assert apply_passes(graph, names) == (after, changed)
    assert apply_passes(after, names) == (after, {})
    old, new = onnx.load_from_string(graph), onnx.load_from_string(after)
    assert [str(value) for value in (*new.graph.input, *new.graph.output)] == [
        str(value) for value in (*old.graph.input, *old.graph.output)
    ]
    for batch in (1, 3):
        for wanted, given in zip(run_graph(graph, batch), run_graph(after, batch), strict=True):
            assert given.shape == wanted.shape
            # Values near 1 may cancel to outputs near 0; their rounding does not.
            assert np.abs(given - wanted).max() <= tolerance * np.abs(wanted).max() + ROUNDING
    return new, changed


def transposed_graph(
    *,
    groups: int = 1,
    inside: int = 2,
    outside: int = 3,
    kernel: tuple[int, int] = (4, 4),
    side: tuple[Any, Any] = (3, 5),
    bias: bool = True,
    **attributes: Any,
) -> bytes:
    """A graph of one transposed convolution; channels are those of a group."""
    random = np.random.default_rng(0)
    constants = {"w": random.standard_normal((groups * inside, outside, *kernel)).astype(np.float32)}
    if bias:
        constants["b"] = random.standard_normal(groups * outside).astype(np.float32)
    node = ("ConvTranspose", ["x", *constants], "y", {"group": groups, **attributes})
    return build_graph([node], constants, {"x": ["batch", groups * inside, *side]})


@pytest.fixture(scope="session")
def build() -> Build:
    """`build_graph`."""
    return build_graph


@pytest.fixture(scope="session")
def transposed() -> Build:
    """`transposed_graph`."""
    return transposed_graph


@pytest.fixture(scope="session")
def check() -> Check:
    """`check_passes`."""
    return check_passes
