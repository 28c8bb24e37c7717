"""Figures of the pages come from the result documents, and nothing else changes."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from hypothesis import given, strategies as st
from typer.testing import CliRunner

import litho
from litho.benchmarks import publish as module
from litho.benchmarks.figures.base import Results
from litho.benchmarks.publish import fill, publish
from litho.benchmarks.shared.command import RESULTS
from litho.errors import LithoError, UnknownName
from litho.plugins import plugin_names

ROOT = Path(litho.__file__).parent
plain = st.text(st.characters(exclude_characters="<>\r", exclude_categories=["Cs"]))


@given(before=plain, old=plain, between=plain, after=plain)
def test_only_the_text_between_the_marks_changes(before: str, old: str, between: str, after: str) -> None:
    page = f"{before}\nx <!-- figures: a -->1<!-- end --> {between}\n<!-- figures: b -->\n{old}\n<!-- end -->\n{after}"
    filled = fill(page, {"a": "2", "b": "| new |\n| 3 |"}.__getitem__)
    assert filled == page.replace("-->1<", "-->2<", 1).replace(
        f"<!-- figures: b -->\n{old}\n<!-- end -->", "<!-- figures: b -->\n| new |\n| 3 |\n<!-- end -->"
    )
    assert fill(filled, {"a": "2", "b": "| new |\n| 3 |"}.__getitem__) == filled


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("x <!-- figures: a -->1", "has no partner"),
        ("x 1<!-- end -->", "has no partner"),
        ("x <!-- figures: a -->1\nx <!-- figures: a -->2<!-- end -->", "has no partner"),
        ("x <!-- figures: a b -->1<!-- end -->", "has no partner"),
        ("<!-- figures: a -->1<!-- end --> x", "a line begins with a mark"),
    ],
)
def test_marks_that_markdown_or_publish_would_misread_are_refused(page: str, words: str) -> None:
    with pytest.raises(LithoError, match=words):
        fill(page, lambda _: "1")


def test_a_table_needs_marks_on_lines_of_their_own() -> None:
    with pytest.raises(LithoError, match="give each mark a line of its own"):
        fill("x <!-- figures: a -->1<!-- end -->", lambda _: "| 1 |\n| 2 |")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages and the documents, in a folder of their own."""
    root = tmp_path_factory.mktemp("repository")
    for pattern in module.PAGES:
        for page in ROOT.glob(pattern):
            (root / page.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(page, root / page.relative_to(ROOT))
    shutil.copytree(RESULTS, root / "results")
    return root


def test_a_changed_document_changes_its_page_alone(copy: Path) -> None:
    results = Results(copy / "results")
    document = results.read("in-flight-flow-shapes")
    document["load_per_second"] = 77.4
    (copy / "results" / "in-flight-flow-shapes.json").write_text(json.dumps(document), encoding="utf-8")
    assert publish(copy, results, write=False) == ("docs/serving.md: in-flight.load",)
    assert publish(copy, results) == ("docs/serving.md: in-flight.load",)
    assert publish(copy, results) == ()
    assert "figures: in-flight.load -->77<" in (copy / "docs" / "serving.md").read_text(encoding="utf-8")


def test_a_picture_of_another_document_is_named_and_drawn_again(copy: Path) -> None:
    results = Results(copy / "results")
    shutil.copy(ROOT / "docs" / "growth.png", copy / "docs")
    assert "docs/growth.png" not in publish(copy, results, write=False)
    document = results.path("growth")
    document.write_text(document.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert publish(copy, results, write=False) == ("docs/growth.png",)
    assert publish(copy, results) == ("docs/growth.png",)
    assert publish(copy, results) == ()


def test_unknown_and_unused_figures_are_errors(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x <!-- figures: faults.cuont -->1<!-- end -->", encoding="utf-8")
    with pytest.raises(UnknownName, match=r"faults\.count"):
        publish(tmp_path)
    (tmp_path / "README.md").write_text("x <!-- figures: faults.count -->1<!-- end -->", encoding="utf-8")
    with pytest.raises(LithoError, match=r"no page shows the figures .*\bendpoints, "):
        publish(tmp_path)


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(LithoError, match=r"^rollout\.json is missing in benchmarks/results"):
        Results(tmp_path).read("rollout")
    for content in (b'{"a": ', b"\xff\xfe"):
        (tmp_path / "rollout.json").write_bytes(content)
        with pytest.raises(LithoError, match=r"^rollout\.json in benchmarks/results is not JSON \("):
            Results(tmp_path).read("rollout")


def test_check_writes_nothing_and_fails_if_a_page_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []

    def differing(*, write: bool) -> tuple[str, ...]:
        calls.append(write)
        return ("README.md: faults",)

    monkeypatch.setattr(module, "publish", differing)
    app = typer.Typer()
    app.command()(module.main)
    checked = CliRunner().invoke(app, ["--check"])
    assert (checked.exit_code, calls) == (1, [False])
    assert "README.md: faults" in checked.output
    assert "run make figures" in checked.output
    assert CliRunner().invoke(app, []).exit_code == 0


def test_every_writer_has_its_own_document_and_page() -> None:
    assert {"endpoints", "faults", "in_flight", "peers"} <= set(plugin_names("litho.benchmarks.figures"))
