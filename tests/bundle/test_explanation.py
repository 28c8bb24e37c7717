import json
import re
from pathlib import Path
from typing import Any

import pytest

from litho.bundle.explanation import (
    DOCUMENT_NAME,
    MAX_FILES_BYTES,
    Explanation,
    is_explanation_file,
    parse_explanation,
    read_explanation,
)
from litho.errors import IntegrityError, SchemaError

GUIDE = Path(__file__).parents[2] / "docs/explanations.md"


@pytest.fixture
def document() -> dict[str, Any]:
    """The example of the guide."""
    text = next(
        part for part in re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.S) if "weights_sha256" in part
    )
    return json.loads(text) | {"weights_sha256": "0" * 64}


@pytest.fixture
def folder(tmp_path: Path, document: dict[str, Any]) -> Path:
    """The example with a file for each of its pictures."""
    (tmp_path / DOCUMENT_NAME).write_text(json.dumps(document))
    for name in Explanation.model_validate_json(json.dumps(document)).pictures():
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_the_example_of_the_guide_is_read_with_its_files(folder: Path) -> None:
    explanation, files = read_explanation(folder)
    assert [example.kind for example in explanation.examples] == ["words", "label", "source"]
    assert files.keys() == {DOCUMENT_NAME, *explanation.pictures()}
    assert files["sefa-1.png"] == b"sefa-1.png"
    # Heat, maps, sources and starting points are among them.
    others = {"source-0-gradients-heat.png", "words-0-occlusion-1.png", "source-0-mask.png", "start-0.png"}
    assert others <= files.keys()


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("directions", [], None),
        ("schema_version", 2, "schema version 2"),
        ("weights_sha256", "zz", "weights_sha256"),
        ("unknown", 1, "unknown"),
        ("starting_points", [{"seed": 0, "latent": [1.0], "made": "a.png"}], "different sizes"),
        ("starting_points", [{"seed": 0, "latent": [1.0, 2.0], "made": "../a.png"}], "made"),
    ],
)
def test_a_damaged_document_is_refused(
    folder: Path, document: dict[str, Any], key: str, value: Any, named: str | None
) -> None:
    content = json.dumps(document | {key: value}).encode()
    if named is None:
        assert parse_explanation(folder, content).directions == ()
        return
    with pytest.raises(SchemaError, match=named):
        parse_explanation(folder, content)


def test_names_are_unique(folder: Path, document: dict[str, Any]) -> None:
    twice = document | {"directions": document["directions"] * 2}
    with pytest.raises(SchemaError, match="not unique"):
        parse_explanation(folder, json.dumps(twice).encode())


def test_a_missing_linked_or_giant_picture_is_refused(folder: Path) -> None:
    strip = folder / "sefa-1.png"
    strip.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        read_explanation(folder)
    strip.symlink_to(folder / "start-0.png")
    with pytest.raises(IntegrityError, match="link"):
        read_explanation(folder)
    strip.unlink()
    with strip.open("wb") as file:
        file.truncate(MAX_FILES_BYTES + 1)
    with pytest.raises(IntegrityError, match="more than"):
        read_explanation(folder)


def test_files_of_an_explanation_are_told_by_their_folder() -> None:
    assert is_explanation_file("explanation/explanation.json")
    assert not is_explanation_file("graphs/explanation.onnx")
