from litho.benchmarks.faults.documents import Asked
from litho.benchmarks.rollout.documents import Rollouts, Step, table
from litho.benchmarks.shared.machine import describe_machine


def test_a_result_is_read_back_and_shown() -> None:
    step = Step(command="rollback", expected=0, exit_code=0, seconds=1.5, said="version 1", live=1)
    clients = {"raw": Asked(requests=9000, failed=0, wrong=0, errors={}, p95_ms=2.5)}
    result = Rollouts(steps=(step,), clients=clients, longest_ms=9.5, problems=(), machine=describe_machine())
    assert Rollouts.model_validate_json(result.model_dump_json()) == result
    assert result.requests == 9000
    assert table(result)[2] == "| rollback | 0 | 1.5 | 1 | version 1 |"
    assert table(result)[-1] == "| raw | 9,000 | 0 | 0 | 2.5 |"
