import pytest

from litho.benchmarks.gateway.documents import (
    Connections,
    GatewayResult,
    KeyTimes,
    Memory,
    MemorySample,
    Overhead,
    Way,
)
from litho.benchmarks.shared.machine import describe_machine
from litho.benchmarks.shared.paired import Ratio

WAY = Way(
    throughput=100.0,
    p50_ms=10.0,
    p95_ms=20.0,
    requests=500,
    errors={},
    gateway_cpu_ms=0.5,
    client_cpu_ms=0.1,
)


def overhead(ratio=0.95, more=2.0, **changes):
    given = {
        "model": "tiny",
        "variant": "generator.fp32.onnx",
        "clients": 32,
        "rounds": {"direct": (WAY,), "tensors": (WAY,), "images": (WAY,)},
        "throughput": {
            "tensors": Ratio(value=ratio, low=0.9, high=1.0),
            "images": Ratio(value=0.5, low=0.4, high=0.6),
        },
        "p50_more_ms": {"tensors": more, "images": 30.0},
        "png_ms": 0.1,
        "same_pictures": True,
    }
    return Overhead(**{**given, **changes})


def test_a_result_is_read_back():
    result = GatewayResult(overhead=(overhead(),), machine=describe_machine())
    assert GatewayResult.model_validate_json(result.model_dump_json()) == result
    assert not result.problems


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ratio": 0.89}, "tensors: 0.89"),
        ({"more": 5.1}, "p50 5.1 ms more"),
        ({"same_pictures": False}, "not that of direct gRPC"),
        ({"rounds": {"images": (WAY.model_copy(update={"errors": {"x": 1}}),)}}, "images: {'x': 1}"),
    ],
)
def test_what_misses_its_limit_is_said(changes, said):
    (problem,) = overhead(**changes).problems
    assert said in problem


def test_a_model_that_streams_is_judged_by_its_images():
    streaming = overhead(
        throughput={"images": Ratio(value=0.8, low=0.7, high=0.9)}, p50_more_ms={"images": 1.0}
    )
    assert "images: 0.80" in streaming.problems[0]


def test_lost_connections_are_problems():
    held = Connections(
        idle=5,
        slow=4,
        idle_held=5,
        slow_outcomes={"408": 2, "held": 2},
        seconds=1,
        p50_before_ms=1,
        p50_meanwhile_ms=1,
        failed=0,
    )
    assert not held.problems
    lost = held.model_copy(update={"idle_held": 4, "failed": 1, "slow_outcomes": {"lost: reset": 1}})
    assert len(lost.problems) == 3


def test_memory_counts_from_where_it_settled():
    samples = tuple(
        MemorySample(requests=requests, resident_bytes=size)
        for requests, size in ((0, 50), (20, 100), (60, 103), (100, 104))
    )
    memory = Memory(requests=100, errors={}, samples=samples, settled_after=20)
    assert memory.growth == pytest.approx(0.04)
    assert not memory.problems
    grown = memory.model_copy(update={"samples": (*samples, MemorySample(requests=101, resident_bytes=106))})
    assert "grew by 6.0%" in grown.problems[0]


def test_times_that_differ_by_more_than_chance_are_problems():
    times = KeyTimes(
        where="check",
        rounds=9,
        median_us={"right": 10.0, "wrong": 10.0},
        difference_us={"right - wrong": (0.05, -0.01, 0.2)},
    )
    assert not times.problems
    assert times.model_copy(update={"difference_us": {"right - wrong": (0.2, 0.1, 0.3)}}).problems
