from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.reference
import pytest

from litho.errors import ExportError
from litho.export.passes import apply_passes


def run(graph: bytes, inputs: dict[str, np.ndarray]) -> list[Any]:
    return list(onnx.reference.ReferenceEvaluator(graph).run(None, inputs))


def test_noise_outside_takes_what_the_seed_became_as_an_input(build: Any) -> None:
    nodes = [
        ("Sin", ["seed"], "noise", {}),
        ("Shape", ["noise"], "s", {}),
        ("Expand", ["noise", "s"], "y", {}),
    ]
    after, changed = apply_passes(build(nodes, {}, {"seed": ["batch", 4]}), ["noise_outside"])
    assert changed == {"noise_outside": 1}
    assert [value.name for value in onnx.load_from_string(after).graph.input] == ["noise"]
    assert [node.op_type for node in onnx.load_from_string(after).graph.node] == ["Shape", "Expand"]
    assert apply_passes(after, ["noise_outside"]) == (after, {})


def test_the_number_of_pictures_is_read_from_the_noise_and_no_longer_from_the_seed(build: Any) -> None:
    nodes = [
        ("Shape", ["seed"], "inside", {"end": 1}),
        ("Expand", ["one", "inside"], "ones", {}),
        ("Mul", ["seed", "ones"], "many", {}),
        ("Unsqueeze", ["many", "axis"], "noise", {}),
        ("Shape", ["seed"], "outside", {}),
        ("Concat", ["inside", "outside"], "square", {"axis": 0}),
        ("Expand", ["one", "square"], "squared", {}),
        ("Add", ["noise", "squared"], "y", {}),
    ]
    constants = {"one": np.ones(1, np.float32), "axis": np.array([1])}
    after, _ = apply_passes(build(nodes, constants, {"seed": ["batch"]}), ["noise_outside"])
    graph = onnx.load_from_string(after).graph
    assert [value.name for value in graph.input] == ["noise"]
    assert [list(node.input) for node in graph.node if node.op_type == "Shape"] == [["noise"], ["noise"]]
    (made,) = run(after, {"noise": np.zeros((3, 1), np.float32)})
    assert (made == np.ones((3, 3))).all()


@pytest.mark.parametrize("reader", ["Neg", "Shape"])
def test_a_network_that_reads_the_seed_itself_is_refused(build: Any, reader: str) -> None:
    nodes = [
        ("Sin", ["seed"], "noise", {}),
        (reader, ["seed"], "other", {}),
        ("Expand" if reader == "Shape" else "Add", ["noise", "other"], "y", {}),
    ]
    with pytest.raises(ExportError, match=r"reads 'seed', which only the noise may read") as refused:
        apply_passes(build(nodes, {}, {"seed": ["batch", 4]}), ["noise_outside"])
    assert "\n" not in str(refused.value)
