import pytest

from litho.benchmarks.load.documents.result import MemorySample, SoakResult
from litho.benchmarks.memory.documents import MemoryRun, MemoryRuns, problems, table
from litho.benchmarks.shared.machine import describe_machine

MIB = 1 << 20


def result(last: dict[str, int], errors: dict[str, int] | None = None) -> SoakResult:
    flat = {"client_bytes": 100 * MIB, "server_bytes": 300 * MIB, "children_bytes": 200 * MIB}
    samples = [
        MemorySample(requests=requests, **{**flat, "shared_memory_bytes": MIB, **changed})
        for requests, changed in ((0, {}), (10, {}), (100, last))
    ]
    return SoakResult(
        target="tiny",
        in_flight=1,
        requests=100,
        errors=errors or {},
        seconds=1,
        settled_after=10,
        samples=tuple(samples),
    )


@pytest.mark.parametrize(
    ("last", "found"),
    [
        ({}, []),
        ({"client_bytes": 104 * MIB}, []),
        ({"client_bytes": 110 * MIB}, ["memory of client grew by 10.0%"]),
        ({"children_bytes": 300 * MIB}, ["memory of stubs grew by 50.0%"]),
        ({"shared_memory_bytes": MIB + 1}, ["shared memory grew"]),
        ({"shared_memory_bytes": MIB // 2}, []),
    ],
)
def test_what_grew_is_named(last: dict[str, int], found: list[str]) -> None:
    assert problems(result(last)) == found


def test_a_failed_request_is_a_problem() -> None:
    assert problems(result({}, {"no stub": 2})) == ["2 requests failed: no stub"]


def test_a_run_replaces_the_one_of_its_name() -> None:
    kept = MemoryRuns()
    for name, last in (("tiny", {}), ("flow", {}), ("tiny", {"client_bytes": MIB})):
        run = MemoryRun(name=name, soak=result(last), problems=(), machine=describe_machine())
        kept = kept.with_run(run)
    assert [run.name for run in kept.runs] == ["flow", "tiny"]
    assert table(kept.runs[1].soak)[2] == "| client | 100 MiB | 1.00 MiB |"
