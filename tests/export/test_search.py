"""The search for a mixed precision: it stops at the knee, where the next layer in FP32 costs more than it gives."""

import math
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, strategies as st
from onnx import TensorProto, helper, numpy_helper

from litho.bundle.manifest import Verdict
from litho.export.naming import LEAST_SHARE
from litho.export.precisions import Lowering, Precision
from litho.export.search import knee, search
from litho.parity.gate import Gate

COUNT = 6


def _chain(widths: list[int]) -> bytes:
    """Matrix products one behind the other, `layer0`, `layer1`, ...; a layer has the product of its widths to do."""
    weights = [
        numpy_helper.from_array(np.ones((widths[i], widths[i + 1]), np.float32), f"w{i}")
        for i in range(len(widths) - 1)
    ]
    nodes = [
        helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"], name=f"layer{i}")
        for i in range(len(weights))
    ]
    ends = [
        helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, [1, widths[i]]) for i in (0, len(weights))
    ]
    return helper.make_model(
        helper.make_graph(nodes, "chain", ends[:1], ends[1:], weights)
    ).SerializeToString()


CHAIN = _chain([16] * (COUNT + 1))


def _named(lowering: Lowering) -> bytes:
    """A lowering that only writes down what was kept."""
    return ",".join(sorted(lowering.fp32_layers)).encode()


FP16 = Precision("fp16", 1, Gate(), _named, element="FLOAT16")
INT8 = Precision("int8", 1, Gate(), _named, calibrated=True, element="INT8")
PASSED, FAILED = Verdict(status="passed"), Verdict(status="failed", reason="far")


def _lowered(graph: bytes, count: int = COUNT) -> set[str]:
    return {f"layer{i}" for i in range(count)} - set(graph.decode().split(","))


@given(sensitivity=st.lists(st.integers(0, 100), min_size=COUNT, max_size=COUNT), allowed=st.integers(0, 300))
def test_without_calibration_the_fewest_of_the_most_sensitive_layers_are_kept(
    sensitivity: list[int], allowed: int
) -> None:
    each = {f"layer{i}": value for i, value in enumerate(sensitivity)}

    def error(graph: bytes) -> float:
        return sum(each[name] for name in _lowered(graph))

    def judge(graph: bytes) -> Verdict:
        return PASSED if error(graph) <= allowed else FAILED

    found = search(FP16, Lowering(CHAIN), judge, error)
    most = COUNT // 2  # more in FP32 would leave the name less than half of the arithmetic
    possible = [count for count in range(most + 1) if sum(sorted(sensitivity)[: COUNT - count]) <= allowed]
    if possible:
        assert found.verdict == PASSED
        assert len(found.fp32_layers) == min(possible)
        assert sum(each[name] for name in found.fp32_layers) == sum(
            sorted(sensitivity)[COUNT - len(found.fp32_layers) :]
        )
    else:
        # With most layers in FP32 it would be another precision under this one's name.
        assert found.verdict == FAILED
        assert found.fp32_layers == ()


@pytest.mark.parametrize("verdict", [None, PASSED])
def test_nothing_is_searched_where_nothing_failed(verdict: Verdict | None) -> None:
    def error(graph: bytes) -> float:
        raise AssertionError("there is nothing to find")

    found = search(FP16, Lowering(CHAIN), lambda graph: verdict, error)
    assert (found.fp32_layers, found.verdict) == ((), verdict)
    assert onnx.load_from_string(CHAIN).graph.node[0].name in _lowered(found.graph)


def test_one_cheap_layer_that_makes_most_of_the_error_stays_in_fp32_though_the_rest_would_pass() -> None:
    # As measured of a trained `dcgan-fashion`: 28.4 dB passed, and one more layer in FP32 gave 41 dB.
    each = {"layer0": 90.0, "layer1": 2.0, "layer2": 2.0}
    chain = _chain([16, 64, 1024, 512])  # 1 : 64 : 512
    found = search(
        INT8,
        Lowering(chain),
        lambda graph: PASSED,
        lambda graph: sum(each[name] for name in _lowered(graph, 3)),
    )
    assert found.fp32_layers == ("layer0",)


def test_a_layer_that_gains_little_stays_lowered_and_so_does_one_that_is_most_of_the_work() -> None:
    even = {f"layer{i}": 1.0 for i in range(COUNT)}
    found = search(
        INT8, Lowering(CHAIN), lambda graph: PASSED, lambda graph: sum(even[name] for name in _lowered(graph))
    )
    assert found.fp32_layers == ()


def test_the_fully_lowered_graph_is_judged_only_where_its_verdict_counts() -> None:
    each = {"layer0": 90.0, "layer1": 2.0, "layer2": 2.0}
    judged: list[set[str]] = []

    def judge(graph: bytes) -> Verdict:
        judged.append(_lowered(graph, 3))
        return PASSED

    def error(graph: bytes) -> float:
        return sum(each[name] for name in _lowered(graph, 3))

    assert search(INT8, Lowering(_chain([16, 64, 1024, 512])), judge, error).fp32_layers == ("layer0",)
    assert judged == [{"layer1", "layer2"}]


def test_a_machine_that_cannot_run_the_precision_measures_one_layer_and_no_more() -> None:
    measured: list[bytes] = []

    def error(graph: bytes) -> float:
        measured.append(graph)
        return math.inf

    found = search(INT8, Lowering(CHAIN), lambda graph: None, error)
    assert (found.fp32_layers, found.verdict, len(measured)) == ((), None, 1)


def test_behind_the_knee_layers_follow_until_the_gate_is_kept() -> None:
    each = {"layer0": 90.0, "layer1": 2.0, "layer2": 1.0, "layer3": 1.0}
    chain = _chain([16, 16, 32, 64, 512])

    def judge(graph: bytes) -> Verdict:
        return PASSED if not {"layer0", "layer1"} & _lowered(graph, 4) else FAILED

    found = search(INT8, Lowering(chain), judge, lambda graph: sum(each[name] for name in _lowered(graph, 4)))
    assert found.fp32_layers == ("layer0", "layer1")
    assert found.verdict == PASSED


@given(
    harm=st.lists(st.floats(0, 1e4), min_size=1, max_size=8),
    costs=st.lists(st.integers(1, 10**6), min_size=8, max_size=8),
)
def test_the_knee_leaves_one_layer_lowered_and_scales_of_arithmetic_do_not_move_it(
    harm: list[float], costs: list[int]
) -> None:
    each = {f"layer{i}": value for i, value in enumerate(harm)}
    work = {name: float(cost) for name, cost in zip(each, costs, strict=False)}
    order = sorted(each, key=lambda name: -each[name] / work[name])
    found = knee(order, each, work)
    assert 0 <= found < len(order)
    assert knee(order, each, {name: 8 * cost for name, cost in work.items()}) == found


def test_under_half_of_the_arithmetic_is_never_left() -> None:
    each = {f"layer{i}": 10.0 ** (8 - i) for i in range(COUNT)}
    found = search(
        INT8, Lowering(CHAIN), lambda graph: FAILED, lambda graph: sum(each[name] for name in _lowered(graph))
    )
    assert found.verdict == FAILED
    passing = search(
        INT8,
        Lowering(CHAIN),
        lambda graph: PASSED if len(_lowered(graph)) <= COUNT * LEAST_SHARE else FAILED,
        lambda graph: sum(each[name] for name in _lowered(graph)),
    )
    assert len(passing.fp32_layers) == COUNT * LEAST_SHARE


@pytest.mark.parametrize("precision", [FP16, INT8], ids=["fp16", "int8"])
@pytest.mark.parametrize("verdict", [PASSED, FAILED], ids=["passed", "failed"])
def test_a_graph_without_layers_has_none_to_keep(precision: Precision, verdict: Verdict) -> None:
    value = helper.make_tensor_value_info("x0", TensorProto.FLOAT, [1, 4])
    other = helper.make_tensor_value_info("x1", TensorProto.FLOAT, [1, 4])
    nodes = [helper.make_node("Tanh", ["x0"], ["x1"], name="tanh")]
    graph = helper.make_model(helper.make_graph(nodes, "tanh", [value], [other])).SerializeToString()
    found = search(precision, Lowering(graph), lambda graph: verdict, lambda graph: 0.0)
    assert (found.fp32_layers, found.verdict) == ((), verdict)


@pytest.mark.parametrize("able", [True, False], ids=["one session", "a session each"])
def test_layers_are_measured_in_one_session_where_that_can_be(able: bool) -> None:
    each, opened = {"layer0": 90.0, "layer1": 2.0, "layer2": 2.0}, list[bytes]()

    def error(graph: bytes) -> float:
        opened.append(graph)
        return sum(each[name] for name in _lowered(graph, 3))

    def errors_of(graph: bytes, count: int) -> list[float] | None:
        assert (graph, count) == (b"switched", 3)
        return list(each.values()) if able else None

    precision = replace(INT8, switched=lambda lowering: b"switched")
    found = search(precision, Lowering(_chain([16, 64, 1024, 512])), lambda graph: PASSED, error, errors_of)
    assert found.fp32_layers == ("layer0",)
    assert len(opened) == (1 if able else 3)
