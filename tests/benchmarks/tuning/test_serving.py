"""A candidate that cannot be served, or paints other pictures, fails with its reason and without a temporary path."""

from pathlib import Path

import pytest

from litho.benchmarks.tuning.documents import Goal
from litho.benchmarks.tuning.serving import CandidateFailed, served
from litho.benchmarks.tuning.space import Candidate
from litho.bundle import Bundle

from ...attack.forge import forge, other_graph


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (Candidate("generator.fp32.onnx", {"max_batch_size": 999}), "takes at most 64"),
        (Candidate("generator.fp64.onnx", {}), "generator.fp64.onnx"),
        (Candidate("generator.fp32.onnx", {"batching": "in-flight"}), "is one graph without steps"),
    ],
)
def test_what_cannot_be_deployed_fails_with_the_reason(
    candidate: Candidate, words: str, bundle: Path
) -> None:
    with (
        pytest.raises(CandidateFailed, match=words),
        served(Bundle.load(bundle), candidate, Goal()),
    ):
        pytest.fail("it is not served")


def test_other_pictures_fail_however_fast_they_come(bundle: Path, tmp_path: Path) -> None:
    forged = Bundle.load(forge(bundle, tmp_path / "forged", other_graph(bundle)))
    with served(forged, Candidate("generator.fp32.onnx", {}), Goal()) as side:
        with pytest.raises(CandidateFailed, match="wrong pictures came back under load"):
            side.measure(0.2)
        assert side.quality.wrong == side.quality.checked > 0
        with pytest.raises(CandidateFailed, match="its pictures are not those of the probes"):
            side.replay()


def test_an_error_of_the_block_is_the_candidate_s_and_names_no_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, bundle: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("LITHO_SERVER_HOME", str(tmp_path))
    with (
        pytest.raises(CandidateFailed, match="litho server install") as failed,
        served(Bundle.load(bundle), Candidate("generator.fp32.onnx", {}), Goal()),
    ):
        pytest.fail("there is no server")
    assert "litho-tune-" not in str(failed.value)
