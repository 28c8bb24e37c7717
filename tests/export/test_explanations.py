import shutil
from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.bundle.explanation import Explanation, StartingPoint
from litho.errors import IntegrityError
from litho.export.build import export
from litho.export.explanations import carries, carry, explanation_of, left_out
from litho.export.source import from_run
from litho.training.run.snapshot import load_snapshot

PICTURE = b"a picture"


def _explain(run: Path, *, weights_sha256: str | None = None, seed: int = 0) -> None:
    """Write a small explanation into a run."""
    explanation = Explanation(
        family="cgan",
        weights_sha256=weights_sha256 or load_snapshot(run).info.weights_sha256,
        data="digits",
        picture=(8, 8, 1),
        captum="0",
        starting_points=(StartingPoint(seed=seed, latent=(0.0,), made="start-0.png"),),
    )
    folder = run / "explanation"
    folder.mkdir(exist_ok=True)
    (folder / "explanation.json").write_text(explanation.model_dump_json())
    (folder / "start-0.png").write_bytes(PICTURE)


@pytest.fixture
def explained_run(run: Path, tmp_path: Path) -> Path:
    shutil.copytree(run, tmp_path / "run")
    return tmp_path / "run"


def test_only_an_explanation_of_these_weights_is_taken(explained_run: Path) -> None:
    weights = load_snapshot(explained_run).info.weights_sha256
    assert explanation_of(explained_run, weights) == {}
    _explain(explained_run)
    assert explanation_of(explained_run, weights).keys() == {
        "explanation/explanation.json",
        "explanation/start-0.png",
    }
    _explain(explained_run, weights_sha256="0" * 64)
    assert explanation_of(explained_run, weights) == {}


def test_forms_of_the_explained_network_take_it_along(explained_run: Path) -> None:
    _explain(explained_run)
    for form in (None, "seed", "latent"):
        assert from_run(explained_run, form).explanation["explanation/start-0.png"] == PICTURE


def test_a_damaged_explanation_is_refused_and_says_what_to_do(explained_run: Path) -> None:
    _explain(explained_run)
    (explained_run / "explanation" / "start-0.png").unlink()
    with pytest.raises(IntegrityError, match=r"start-0\.png is missing"):
        from_run(explained_run)


def test_a_bundle_gets_keeps_and_loses_it_without_being_made_again(mine: Path, explained_run: Path) -> None:
    plain = Bundle.load(mine)
    assert carries(plain, {})
    _explain(explained_run)
    files = explanation_of(explained_run, plain.manifest.checkpoint_sha256)
    explained = export(explained_run, to=mine, timed=False)
    assert carries(explained, files)
    assert explained.read("explanation/start-0.png") == PICTURE
    unchanged = (mine / "manifest.json").stat().st_mtime_ns
    assert export(explained_run, to=mine, timed=False).manifest == explained.manifest
    assert (mine / "manifest.json").stat().st_mtime_ns == unchanged
    (mine / "explanation" / "start-0.png").write_bytes(PICTURE[::-1])
    with pytest.raises(IntegrityError, match=r"start-0\.png has changed"):
        Bundle.load(mine)
    assert left_out(str(explained_run), explained) is None
    assert "is left out" in (left_out(str(explained_run), plain) or "")
    carry(plain, files)
    assert Bundle.load(mine).manifest == explained.manifest
    shutil.rmtree(explained_run / "explanation")
    assert export(explained_run, to=mine, timed=False).manifest == plain.manifest


@pytest.mark.slow
def test_a_new_bundle_has_it_from_the_start_but_not_with_a_fixed_input(
    mine: Path, explained_run: Path, tmp_path: Path
) -> None:
    _explain(explained_run)
    carried = export(explained_run, to=mine, timed=False)
    assert export(explained_run, to=tmp_path / "fresh" / "tiny", timed=False).manifest == carried.manifest
    fixed = export(explained_run, to=tmp_path / "fixed", timed=False, fixed={"label": 3})
    assert carries(fixed, {})
