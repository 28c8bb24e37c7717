"""Ranges: the scale of least squared error, found in bounded memory."""

import numpy as np
import onnx
import pytest
from hypothesis import given, strategies as st
from onnx import TensorProto, helper

from litho.export.precisions._quantizers import _ranges
from litho.export.precisions._quantizers._ranges import (
    BINS,
    Activations,
    dequantized,
    observe,
    rounded,
    scale_of,
    values_of,
    weight_scales,
)


def _doubled() -> onnx.ModelProto:
    """y = Relu(x + x), with x + x as an inner value."""
    nodes = [
        helper.make_node("Add", ["x", "x"], ["twice"], name="add"),
        helper.make_node("Relu", ["twice"], ["y"], name="relu"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1000]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "doubled", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def _observed(values: np.ndarray) -> Activations:
    most = float(np.abs(values).max())
    return Activations(most, np.histogram(np.abs(values[values != 0]), BINS, (0.0, most))[0])


def _squared_error(values: np.ndarray, scale: np.ndarray, element: str) -> float:
    return float(np.square(dequantized(values, scale, element) - values).mean())


@pytest.mark.parametrize("element", ["INT8", "UINT8"])
def test_a_few_outliers_do_not_set_the_range_and_a_uniform_value_is_not_clipped(element: str) -> None:
    random = np.random.default_rng(0)
    even = random.uniform(0, 1, 200_000).astype(np.float32)
    few = np.concatenate([random.normal(0, 1, 200_000), [40.0]]).astype(np.float32)
    values = np.abs(few) if element == "UINT8" else few
    largest = 255 if element == "UINT8" else 127
    assert scale_of(_observed(even), element) * largest == pytest.approx(1, abs=0.03)
    found = scale_of(_observed(values), element)
    assert _squared_error(values, found, element) < 0.9 * _squared_error(
        values, np.float32(40 / largest), element
    )


def test_values_that_are_always_zero_and_8_bit_floats_have_a_scale() -> None:
    assert scale_of(Activations(), "INT8") > 0
    assert scale_of(Activations(448.0), "FLOAT8E4M3FN") == 1
    assert scale_of(Activations(448.0), "FLOAT8E4M3FN").shape == ()


@given(seed=st.integers(0, 1000), axis=st.integers(0, 1))
def test_no_channel_of_weights_has_more_error_than_with_its_largest_value_as_range(
    seed: int, axis: int
) -> None:
    weight = np.random.default_rng(seed).standard_t(3, (4, 6)).astype(np.float32)
    weight[:, 0] = 0
    found = weight_scales(weight, axis, "INT8")
    assert found.shape == (weight.shape[axis],)
    for row, scale in zip(np.moveaxis(weight, axis, 0), found, strict=True):
        largest = np.float32(np.abs(row).max() / 127 or 1)
        assert _squared_error(row, scale, "INT8") <= _squared_error(row, largest, "INT8") + 1e-9


def test_rounding_keeps_to_the_type() -> None:
    values = np.array([-300.0, -1.4, 0.5, 1.5, 300.0], np.float32)
    assert rounded(values, np.float32(1), "INT8").tolist() == [-127, -1, 0, 2, 127]
    assert rounded(values, np.float32(1), "UINT8").tolist() == [0, 0, 0, 2, 255]
    assert rounded(values, np.float32(1), "FLOAT8E4M3FN").astype(float).tolist() == [
        -288,
        -1.375,
        0.5,
        1.5,
        288,
    ]


def test_values_are_observed_over_all_batches_whatever_fits_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    batches = [{"x": random.standard_normal((20, 1000)).astype(np.float32)} for _ in range(2)]
    found = observe(_doubled(), ["x", "twice"], batches)
    whole = np.concatenate([batch["x"] for batch in batches])
    assert found["twice"].most == pytest.approx(2 * np.abs(whole).max())
    assert found["twice"].counts.sum() == whole.size
    monkeypatch.setattr(_ranges, "_BYTES_AT_ONCE", 9000)
    parts = [len(values["twice"]) for values in values_of(_doubled(), ["x", "twice"], batches)]
    assert sum(parts) == 40
    assert max(parts[1:]) == 1
    again = observe(_doubled(), ["x", "twice"], batches)
    assert np.array_equal(again["x"].counts, found["x"].counts)
