import pytest

from litho.benchmarks.gateway.documents import Connections, GatewayResult, Memory, MemorySample
from litho.benchmarks.gateway.run import measure, table
from litho.benchmarks.shared.machine import describe_machine
from litho.errors import UsageError

from .test_documents import overhead


def test_a_part_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no part memories; parts are overhead"):
        measure([], parts=("memories",))


def test_every_part_is_shown() -> None:
    held = Connections(
        idle=5,
        slow=1,
        idle_held=5,
        slow_outcomes={"held": 1},
        seconds=1,
        p50_before_ms=1,
        p50_meanwhile_ms=2,
        failed=0,
    )
    samples = (MemorySample(requests=0, resident_bytes=100), MemorySample(requests=9, resident_bytes=101))
    result = GatewayResult(
        overhead=(overhead(),),
        connections=held,
        memory=Memory(requests=9, errors={}, samples=samples, settled_after=0),
        machine=describe_machine(),
    )
    lines = "\n".join(table(result))
    assert "| tensors | 100 | 0.95 (0.90 to 1.00) | 10.0 | +2.0 | 0.50 |" in lines
    assert "5 of 5 idle connections held" in lines
    assert "memory grew by 1.0% over 9 requests" in lines
