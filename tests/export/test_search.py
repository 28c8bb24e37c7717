"""The search for a mixed precision: the fewest of the most sensitive layers stay in FP32."""

import numpy as np
import onnx
import pytest
from hypothesis import given, strategies as st
from onnx import TensorProto, helper, numpy_helper

from litho.bundle.manifest import Verdict
from litho.export.precisions import Lowering, Precision
from litho.export.search import search
from litho.parity.gate import Gate

COUNT = 6


def _chain() -> bytes:
    """Matrix products one behind the other, `layer0` to `layer5`."""
    weights = [numpy_helper.from_array(np.eye(2, dtype=np.float32), f"w{i}") for i in range(COUNT)]
    nodes = [
        helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"], name=f"layer{i}") for i in range(COUNT)
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x0", f"x{COUNT}")]
    return helper.make_model(
        helper.make_graph(nodes, "chain", ends[:1], ends[1:], weights)
    ).SerializeToString()


CHAIN = _chain()


def _named(lowering: Lowering) -> bytes:
    """A lowering that only writes down what was kept."""
    return ",".join(sorted(lowering.fp32_layers)).encode()


LOWER = Precision("int8", 1, Gate(), _named, element="INT8")


def _lowered(graph: bytes) -> set[str]:
    return {f"layer{i}" for i in range(COUNT)} - set(graph.decode().split(","))


@given(sensitivity=st.lists(st.integers(0, 100), min_size=COUNT, max_size=COUNT), allowed=st.integers(0, 300))
def test_the_fewest_of_the_most_sensitive_layers_are_kept(sensitivity: list[int], allowed: int) -> None:
    each = {f"layer{i}": value for i, value in enumerate(sensitivity)}

    def error(graph: bytes) -> float:
        return sum(each[name] for name in _lowered(graph))

    def judge(graph: bytes) -> Verdict:
        return Verdict(status="passed") if error(graph) <= allowed else Verdict(status="failed", reason="far")

    found = search(LOWER, CHAIN, (), judge, error)
    possible = [count for count in range(COUNT) if sum(sorted(sensitivity)[: COUNT - count]) <= allowed]
    if possible:
        assert found.verdict == Verdict(status="passed")
        assert len(found.fp32_layers) == min(possible)
        assert sum(each[name] for name in found.fp32_layers) == sum(
            sorted(sensitivity)[COUNT - len(found.fp32_layers) :]
        )
    else:
        # With every layer in FP32 it would be another precision under this one's name.
        assert found.verdict is not None
        assert found.verdict.status == "failed"
        assert found.fp32_layers == ()


@pytest.mark.parametrize("verdict", [None, Verdict(status="passed")])
def test_nothing_is_searched_where_nothing_failed(verdict: Verdict | None) -> None:
    def error(graph: bytes) -> float:
        raise AssertionError("there is nothing to find")

    found = search(LOWER, CHAIN, (), lambda graph: verdict, error)
    assert (found.fp32_layers, found.verdict) == ((), verdict)
    assert onnx.load_from_string(CHAIN).graph.node[0].name in _lowered(found.graph)
