import json
from pathlib import Path
from typing import Any

import pytest
import torch

from litho.errors import CheckpointError, SchemaError, UsageError
from litho.training.data.dataset import Dataset
from litho.training.evaluation import FeatureNet, evaluate, read_evaluation
from litho.training.models import family
from litho.training.run.snapshot import DataInfo, load_snapshot, save_snapshot


def snapshot(run: Path, digits: tuple[Dataset, Dataset], *, classes: int = 10, name: str = "cgan") -> Path:
    torch.manual_seed(0)
    architecture = {
        "resolution": 8,
        "width": 8,
        "latent_size": 8,
        **({"classes": classes} if name == "cgan" else {}),
    }
    data = DataInfo(name="digits", count=len(digits[0]), class_names=digits[0].class_names[:classes])
    generator = family(name).generator(**architecture).eval()
    save_snapshot(
        run, generator, family=name, preset=f"{name}-digits", data=data, nimg=640, quality={"old": 1.0}
    )
    return run


@pytest.fixture
def run(tmp_path: Path, digits: tuple[Dataset, Dataset], digits_net: FeatureNet) -> Path:
    return snapshot(tmp_path / "run", digits)


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


def test_the_page_begins_with_the_headline_figures_and_holds_all(run: Path, read_page: Any) -> None:
    evaluation = evaluate(run, samples=100)
    page = read_page((run / "evaluation.html").read_text())
    (verdict,) = page.of_class("verdict")
    for expected in ("cgan-digits", evaluation.figures[0].metric, evaluation.data, evaluation.device):
        assert expected in verdict.text
    headings = [heading.text for heading in page.all("h2")]
    assert headings[0] == "Samples"
    assert {section.title for section in evaluation.sections} <= set(headings)
    rows = [row.all("th")[0].text for table in page.all("table") for row in table.all("tbody")[0].all("tr")]
    for figure in evaluation.figures:
        assert figure.metric in rows
    assert len(page.of_class("pixels")) >= 3


def test_the_snapshot_learns_its_quality_and_stays_whole(run: Path) -> None:
    before = load_snapshot(run)
    evaluation = evaluate(run, samples=100)
    after = load_snapshot(run)
    assert after.info.quality == {"old": 1.0, **evaluation.quality()}
    assert after.info.weights_sha256 == before.info.weights_sha256


def test_two_evaluations_write_the_same_document(run: Path) -> None:
    evaluate(run, samples=100)
    first = (run / "evaluation.json").read_bytes()
    evaluate(run, samples=100)
    assert (run / "evaluation.json").read_bytes() == first


def test_a_generator_without_classes_has_no_figures_of_classes(
    tmp_path: Path, digits: tuple[Dataset, Dataset], digits_net: FeatureNet
) -> None:
    evaluation = evaluate(snapshot(tmp_path / "run", digits, name="dcgan"), samples=100)
    assert [section.part for section in evaluation.sections] == ["distribution", "samples", "memory"]


def test_an_autoencoder_has_bounds_on_its_likelihood(
    tmp_path: Path, digits: tuple[Dataset, Dataset], digits_net: FeatureNet
) -> None:
    evaluation = evaluate(snapshot(tmp_path / "run", digits, name="vae"), samples=50)
    assert evaluation.failures == ()
    figures = {figure.metric: figure for section in evaluation.sections for figure in section.figures}
    assert 0 < figures["NLL, 500 importance samples"].value <= figures["negative ELBO"].value
    assert figures["negative ELBO"].n == 50


def test_a_figure_that_cannot_be_computed_is_listed_with_its_reason(
    tmp_path: Path, digits: tuple[Dataset, Dataset], digits_net: FeatureNet
) -> None:
    run = snapshot(tmp_path / "run", digits, classes=5)
    evaluation = evaluate(run, data="digits", samples=100)
    assert {section.part for section in evaluation.failures} == {"distribution", "classes", "memory"}
    assert all("value 9" in section.failure for section in evaluation.failures)
    assert "could not be measured" in (run / "evaluation.html").read_text()
    assert read_evaluation(run).failures == evaluation.failures


def test_data_that_the_snapshot_was_not_trained_on_must_be_named(
    tmp_path: Path, digits: tuple[Dataset, Dataset]
) -> None:
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


@pytest.mark.parametrize("content", ['{"schema_version": 1}', '{"schema_version": 99}', "{"])
def test_a_foreign_document_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(SchemaError):
        read_evaluation(tmp_path)
