from pathlib import Path

import pytest

from litho.benchmarks.faults.documents import Asked
from litho.benchmarks.rollout import Rollouts, Step, _Commands, measure, table
from litho.benchmarks.shared.machine import describe_machine
from litho.bundle import Bundle
from litho.errors import UsageError


def test_a_result_is_read_back_and_shown() -> None:
    step = Step(command="rollback", expected=0, exit_code=0, seconds=1.5, said="version 1", live=1)
    clients = {"raw": Asked(requests=9000, failed=0, wrong=0, errors={}, p95_ms=2.5)}
    result = Rollouts(steps=(step,), clients=clients, longest_ms=9.5, problems=(), machine=describe_machine())
    assert Rollouts.model_validate_json(result.model_dump_json()) == result
    assert result.requests == 9000
    assert table(result)[2] == "| rollback | 0 | 1.5 | 1 | version 1 |"
    assert table(result)[-1] == "| raw | 9,000 | 0 | 0 | 2.5 |"


@pytest.mark.slow
def test_candidates_that_must_be_refused_are_whole_bundles(bundle: Path, tmp_path: Path) -> None:
    commands = _Commands(tmp_path, tmp_path / "repository", bundle, bundle)
    for name in ("broken", "strange"):
        forged = Bundle.load(tmp_path / name)
        assert forged.manifest.signature == Bundle.load(bundle).manifest.signature
    broken = Bundle.load(tmp_path / "broken")
    assert broken.read(broken.manifest.variants[0].file).startswith(b"no graph")
    assert Bundle.load(tmp_path / "strange", key=commands._key).manifest.name


@pytest.mark.slow
def test_two_bundles_of_the_same_pictures_are_refused(bundle: Path) -> None:
    with pytest.raises(UsageError, match="give a bundle of other weights"):
        measure(bundle, bundle)


@pytest.mark.slow
def test_two_bundles_of_different_signatures_are_refused(bundle: Path, flow_bundle: Path) -> None:
    with pytest.raises(UsageError, match="give two bundles of the same inputs and size"):
        measure(bundle, flow_bundle)
