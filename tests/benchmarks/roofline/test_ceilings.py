"""Ceilings: kernels that run and count right, and which measured ceiling is taken."""

import pytest

from litho.benchmarks.roofline.ceilings import (
    Bandwidth,
    Ceilings,
    Kernel,
    Peak,
    measure_bandwidths,
    measure_peak,
)
from litho.errors import LithoError

SMALL = Kernel(channels=32, side=8, window=3, batch=2)
KIB = 1 << 10

CEILINGS = Ceilings(
    threads=1,
    peaks=(
        Peak(runtime="onnxruntime", precision="fp32", per_second=100, source="a product"),
        Peak(runtime="onnxruntime", precision="int8", per_second=400, source="a product"),
    ),
    bandwidths=tuple(
        Bandwidth(working_set=size, per_second=speed, source="triad")
        for size, speed in ((1 * KIB, 30), (2 * KIB, 40), (4 * KIB, 10))
    ),
)


def test_operations_of_a_kernel() -> None:
    assert SMALL.operations == 2 * 4 * 2 * (32 * 8 * 8) * 32 * 9
    assert Kernel(channels=8, side=0, window=1, batch=2).operations == 2 * 4 * 2 * 8 * 8


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        ("onnxruntime", "fp32"),
        ("onnxruntime", "int8"),
        ("openvino", "bf16"),
        ("torch", "fp32"),
        ("torch", "bf16"),
    ],
)
def test_a_peak_is_measured(runtime: str, name: str) -> None:
    peak = measure_peak(runtime, name, 1, 0.001, [SMALL])
    assert peak is not None
    assert peak.per_second > 0
    assert peak.source == "convolution 3x3, 32 channels of 8x8, batch 2"


@pytest.mark.parametrize(("runtime", "name"), [("onnxruntime", "bf16"), ("torch", "int8")])
def test_a_runtime_without_kernels_of_a_precision_has_no_peak(runtime: str, name: str) -> None:
    assert measure_peak(runtime, name, 1, 0.001, [SMALL]) is None


def test_bandwidth_is_measured_for_each_working_set() -> None:
    found = measure_bandwidths(1, 0.001, [64 * KIB, 256 * KIB])
    assert [one.working_set for one in found] == [64 * KIB, 256 * KIB]
    assert all(one.per_second > 0 for one in found)


def test_a_smaller_working_set_is_no_slower_than_a_larger_one() -> None:
    assert [CEILINGS.bandwidth(size).per_second for size in (1, 1.5 * KIB, 3 * KIB, 9 * KIB)] == [
        40,
        40,
        10,
        10,
    ]
    assert CEILINGS.memory.per_second == 10


def test_a_precision_without_a_peak_is_computed_in_fp32() -> None:
    assert CEILINGS.peak("onnxruntime", "int8").per_second == 400
    assert CEILINGS.peak("onnxruntime", "fp16").per_second == 100
    with pytest.raises(LithoError, match="no peak was measured for fp32 in openvino"):
        CEILINGS.peak("openvino", "fp32")
