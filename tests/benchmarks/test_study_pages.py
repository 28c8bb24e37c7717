import hashlib
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from litho.benchmarks import study_pages
from litho.benchmarks.study_pages import RESULTS, STUDIES, draw, source_of
from litho.errors import UsageError


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(study_pages.main)
    return made


def test_a_stored_study_is_drawn_and_its_picture_names_the_document(app: typer.Typer, tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["growth", "-o", str(tmp_path / "out"), "--pictures", str(tmp_path)])
    assert ended.exit_code == 0, ended.output
    assert [made.name for made in (tmp_path / "out").iterdir()] == ["growth.html"]
    stored = hashlib.sha256((RESULTS / "growth.json").read_bytes()).hexdigest()
    assert source_of(tmp_path / "growth.png") == stored


def test_what_cannot_be_drawn_is_said_in_one_line(app: typer.Typer, tmp_path: Path) -> None:
    for words, code, message in (
        (["grwoth"], 2, "study_pages: error: there is no study 'grwoth'; allowed: growth, limits\n"),
        (["growth", "--results", str(tmp_path)], 1, "growth.json"),
    ):
        ended = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "out")])
        assert ended.exit_code == code, ended.output
        assert message in ended.stderr
        assert ended.stderr.count("\n") == 1
    (tmp_path / "limits.json").write_text("{", encoding="utf-8")
    ended = CliRunner().invoke(app, ["limits", "--results", str(tmp_path), "-o", str(tmp_path / "out")])
    assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
    with pytest.raises(UsageError):
        draw("speed", tmp_path / "speed.json")


def test_a_picture_without_a_document_names_none(tmp_path: Path) -> None:
    docs = Path(study_pages.__file__).parents[1] / "docs"
    shutil.copy(docs / "gallery.png", tmp_path)
    assert source_of(tmp_path / "gallery.png") == ""
    assert all(source_of(docs / f"{name}.png") for name in STUDIES)
