import json
import random
from pathlib import Path
from typing import Any

import pytest

from litho.bundle import Bundle
from litho.bundle.json_documents import MAX_DOCUMENT_BYTES, read_document
from litho.errors import LithoError, SchemaError

from ..hostile import paths, replaced


def test_a_manifest_of_one_byte_more_than_the_limit_is_refused_without_being_read(
    made: Path, opened: list[str]
) -> None:
    manifest = made / "manifest.json"
    content = manifest.read_bytes()
    assert MAX_DOCUMENT_BYTES == 16 * 1024 * 1024
    # White space at the end of a document is valid JSON.
    manifest.write_bytes(content.ljust(MAX_DOCUMENT_BYTES))
    assert Bundle.load(made).manifest.name == "tiny"
    assert str(manifest) in opened
    manifest.write_bytes(content.ljust(MAX_DOCUMENT_BYTES + 1))
    opened.clear()
    with pytest.raises(SchemaError, match=r"has 16777217 bytes; a document of litho has at most 16777216"):
        Bundle.load(made)
    with pytest.raises(SchemaError, match="has 16777217 bytes"):
        read_document(made, "manifest.json", 1)
    assert str(manifest) not in opened


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "not JSON"),
        ('{"schema_version": 1, "na', "not JSON .* cut short"),
        ("[]", "not a document of litho"),
        ('{"name": "foreign"}', "no integer 'schema_version'"),
        ('{"schema_version": 2}', "schema version 2, this litho reads up to 1; upgrade"),
        ('{"schema_version": 1}', "is not a manifest: name: this key is missing"),
        ("[" * 100_000, "not JSON .it is nested too deeply"),
        ('{"schema_version": 1, "name": ' + "9" * 5000 + "}", "a whole number has 5000 digits, at most 400"),
        ('{"schema_version": 1, "name": "\\ud800"}', "a text that is not Unicode"),
        ('{"schema_version": ' + "9" * 400 + "}", "has schema version 999"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused_in_one_line(made: Path, content: str, complaint: str) -> None:
    (made / "manifest.json").write_text(content)
    with pytest.raises(SchemaError, match=complaint) as refused:
        Bundle.load(made)
    assert "\n" not in str(refused.value)


HOSTILE: list[Any] = [
    *(10**399, -(10**399), 2**63, 1e308, float("inf"), float("nan"), 0, -1, 0.5),
    *("", "x" * 10_000, "../x", "\0", None, True, [], {}, [[[[]]]], [10**30] * 3, {"a": 1}),
]


def test_no_value_of_a_manifest_surprises_its_reader(made: Path) -> None:
    original = json.loads((made / "manifest.json").read_text())
    generator = random.Random(0)
    for path in paths(original):
        for value in generator.sample(HOSTILE, 6):
            (made / "manifest.json").write_text(json.dumps(replaced(original, path, value)))
            try:
                signature = Bundle.load(made).manifest.signature
                signature.check(signature.example(2))
            except LithoError as refused:
                assert "\n" not in str(refused)  # noqa: PT017 - it need not be refused
