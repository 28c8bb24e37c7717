import json
from pathlib import Path

import pytest

from litho.bundle.explanation import read_explanation
from litho.errors import CheckpointError, UsageError
from litho.training.evaluation.document import read_evaluation
from litho.training.evaluation.evaluate import evaluate
from litho.training.evaluation.feature_net import FeatureNet
from litho.training.run.snapshot import load_snapshot

from .conftest import Split, snapshot


@pytest.mark.slow
def test_a_run_is_measured_written_and_read_again(run: Path) -> None:
    reports: list[tuple[str, float]] = []
    evaluation = evaluate(run, samples=400, progress=lambda step, share: reports.append((step, share)))
    assert evaluation.failures == ()
    assert read_evaluation(run) == evaluation
    assert (evaluation.preset, evaluation.nimg, evaluation.data, evaluation.samples) == (
        "cgan-digits",
        640,
        "digits",
        400,
    )
    names = [figure.metric for figure in evaluation.figures]
    assert len(set(names)) == len(names)
    assert {"FD-digits", "KID-digits", "precision", "recall", "density", "coverage"} <= set(names)
    assert {"label accuracy (GAN-test)", "GAN-train accuracy"} <= set(names)
    assert [share for _, share in reports] == sorted(share for _, share in reports)


@pytest.mark.slow
def test_the_snapshot_learns_its_quality_and_stays_whole(run: Path) -> None:
    before = load_snapshot(run)
    evaluation = evaluate(run, samples=100)
    after = load_snapshot(run)
    assert after.info.quality == {"old": 1.0, **evaluation.quality()}
    assert after.info.weights_sha256 == before.info.weights_sha256


@pytest.mark.slow
def test_two_evaluations_write_the_same_document(run: Path) -> None:
    evaluate(run, samples=100)
    first = (run / "evaluation.json").read_bytes()
    evaluate(run, samples=100)
    assert (run / "evaluation.json").read_bytes() == first


@pytest.mark.slow
def test_an_explanation_lies_beside_the_page_which_shows_it(run: Path, tmp_path: Path) -> None:
    evaluation = evaluate(run, samples=128, explain=True)
    assert evaluation.failures == ()
    assert evaluation.sections[-1].part == "explanation"
    explanation, files = read_explanation(run / "explanation")
    assert explanation.weights_sha256 == evaluation.weights_sha256
    assert {example.kind for example in explanation.examples} == {"label"}
    assert {path.name for path in (run / "explanation").iterdir()} == files.keys()
    assert "What the pictures hang on" in (run / "evaluation.html").read_text()
    evaluate(run, samples=128, explain=True, output=tmp_path / "reports" / "digits.html")
    assert read_explanation(tmp_path / "reports" / "digits-explanation") == (explanation, files)


def test_a_figure_that_cannot_be_computed_is_listed_with_its_reason(
    tmp_path: Path, digits: Split, digits_net: FeatureNet
) -> None:
    run = snapshot(tmp_path / "run", digits, classes=5)
    evaluation = evaluate(run, data="digits", samples=100)
    assert {section.part for section in evaluation.failures} == {"distribution", "classes", "memory"}
    assert all("value 9" in section.failure for section in evaluation.failures)
    assert "could not be measured" in (run / "evaluation.html").read_text()
    assert read_evaluation(run).failures == evaluation.failures


def test_data_that_the_snapshot_was_not_trained_on_must_be_named(tmp_path: Path, digits: Split) -> None:
    run = snapshot(tmp_path / "run", digits, classes=5)
    with pytest.raises(UsageError, match=r"the classes of data .* have changed since"):
        evaluate(run)
    info = json.loads((run / "snapshot.json").read_text())
    (run / "snapshot.json").write_text(json.dumps({**info, "data": None}))
    with pytest.raises(UsageError, match="give --data"):
        evaluate(run)


def test_bad_input_is_refused_and_nothing_is_written(run: Path) -> None:
    with pytest.raises(UsageError, match="9 samples are too few"):
        evaluate(run, samples=9)
    with pytest.raises(UsageError, match="field 'steps' cannot be set"):
        evaluate(run, samples=10, fields={"steps": 8})
    weights = run / "snapshot.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CheckpointError):
        evaluate(run, samples=10)
    assert not (run / "evaluation.json").exists()
    assert not (run / "evaluation.html").exists()
