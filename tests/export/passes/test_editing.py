from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings, strategies as st

from litho.export.passes._editing import Editor, constant, crop, nodes_of, only_reader

from .conftest import build_graph, run_graph

cuts = st.tuples(st.integers(0, 2), st.integers(0, 2))


def model_of(graph: bytes) -> ir.Model:
    return ir.from_proto(onnx.load_from_string(graph))


@settings(max_examples=20)
@given(cuts, cuts)
def test_a_crop_is_a_slice_of_height_and_width(rows: tuple[int, int], columns: tuple[int, int]) -> None:
    graph = build_graph([("Relu", ["x"], "y", {})], {}, {"x": ["batch", 2, 7, 9]})
    model = model_of(graph)
    (node,) = nodes_of(model, "Relu")
    node.name = "relu"
    edit = Editor(model, node)
    edit.finish(crop(edit, edit.op("Relu", [node.inputs[0]]), (rows, columns)))
    model.graph.outputs[0].shape = None
    (made,) = run_graph(ir.to_proto(model).SerializeToString(), 2)
    (whole,) = run_graph(graph, 2)
    assert np.array_equal(made, whole[:, :, rows[0] : 7 - rows[1], columns[0] : 9 - columns[1]])


@pytest.mark.parametrize(
    ("name", "found"), [("layers.0/Conv", 1), ("noisy/Conv", 1), ("noise/Conv", 0), ("pixels.inner/Conv", 0)]
)
def test_noise_and_pixels_are_no_part_of_the_network(name: str, found: int) -> None:
    model = model_of(build_graph([("Relu", ["x"], "y", {})], {}, {"x": ["batch", 4]}))
    model.graph[0].name = name
    assert len(nodes_of(model, "Relu")) == found
    assert nodes_of(model, "Conv") == []


def test_a_value_is_constant_or_computed_and_read_once_or_more_often() -> None:
    weights = np.arange(4, dtype=np.float32)
    nodes: list[Any] = [("Add", ["x", "w"], "a", {}), ("Mul", ["a", "a"], "b", {}), ("Relu", ["b"], "y", {})]
    add, mul, relu = model_of(build_graph(nodes, {"w": weights}, {"x": ["batch", 4]})).graph
    np.testing.assert_array_equal(constant(add.inputs[1]), weights)
    assert constant(add.inputs[0]) is None
    assert constant(mul.inputs[0]) is None
    assert constant(None) is None
    assert [only_reader(node.outputs[0]) for node in (add, mul, relu)] == [False, True, False]
