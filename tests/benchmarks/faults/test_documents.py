from litho.benchmarks.faults.documents import Asked, FaultResult, Faults
from litho.benchmarks.shared.machine import describe_machine


def test_a_result_is_read_back_as_it_was_written() -> None:
    clients = {"raw": Asked(requests=3, failed=1, wrong=0, errors={"UNAVAILABLE": 1}, p95_ms=2.5)}
    result = FaultResult(
        name="stub-killed",
        title="one stub gets SIGKILL",
        passed=False,
        problems=("litho serve ended",),
        seconds_to_good=0.1,
        seconds_to_whole=None,
        clients=clients,
        restarts=1,
        said=(),
        left=(),
        details={"killed": 1},
    )
    document = Faults(model="tiny", batching="whole", faults=(result,), machine=describe_machine())
    assert Faults.model_validate_json(document.model_dump_json()) == document
