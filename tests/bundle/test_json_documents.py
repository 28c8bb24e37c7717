from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.bundle.json_documents import MAX_DOCUMENT_BYTES, read_document
from litho.errors import SchemaError


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
        ('{"schema_version": 1}', "is not a manifest: name: Field required"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused_in_one_line(made: Path, content: str, complaint: str) -> None:
    (made / "manifest.json").write_text(content)
    with pytest.raises(SchemaError, match=complaint) as refused:
        Bundle.load(made)
    assert "\n" not in str(refused.value)
