"""The roofline's arithmetic, on numbers that are easy to follow."""

import pytest

from litho.benchmarks.roofline.reached import reached
from litho.benchmarks.roofline.work import Work

from .numbers import CEILINGS, COMPUTES, MOVES


def test_work_of_many_operations_is_bound_by_the_peak() -> None:
    one = reached(COMPUTES, "onnxruntime", CEILINGS, 2, 4.0, 3)
    assert (one.bound, one.bound_ms, one.share) == ("compute", pytest.approx(2), pytest.approx(0.5))
    assert one.per_second == pytest.approx(5e8)


def test_work_of_many_bytes_is_bound_by_the_bandwidth_of_its_working_set() -> None:
    one = reached(MOVES, "onnxruntime", CEILINGS, 1, 200.0, 3)
    assert (one.bound, one.bound_ms, one.share) == ("memory", pytest.approx(100), pytest.approx(0.5))
    assert one.operations / one.bound_ms * 1e3 == pytest.approx(one.intensity * 1e7)


def test_layers_of_two_precisions_each_have_their_own_peak() -> None:
    mixed = COMPUTES.model_copy(update={"operations": {"fp32": 1e6, "int8": 4e6}})
    assert reached(mixed, "onnxruntime", CEILINGS, 1, 10.0, 3).bound_ms == pytest.approx(2)


def test_work_without_operations_has_no_share() -> None:
    nothing = Work(operations={}, weight_bytes=0, activation_bytes=0, largest_bytes=0)
    one = reached(nothing, "onnxruntime", CEILINGS, 1, 10.0, 3)
    assert (one.bound, one.share, one.bound_ms) == ("none", None, 0)
