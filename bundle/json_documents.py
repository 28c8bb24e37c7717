"""JSON documents that litho writes: their base, and the way to read one that may be foreign, cut short or newer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..errors import SchemaError
from ..files import ordinary_file

__all__ = ["MAX_DOCUMENT_BYTES", "Document", "read_document"]

MAX_DOCUMENT_BYTES = 16 << 20


class Document(BaseModel):
    """Base of everything that litho writes as JSON: immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


def read_document(root: Path, relative: str, newest: int) -> dict[str, Any]:
    """A JSON object of litho, of a schema that this version reads.

    Args:
        root: directory that the document lies in.
        relative: its path there.
        newest: largest `schema_version` that the caller reads.

    Raises:
        SchemaError: the file is not such an object, or is of a newer schema.
        IntegrityError: it is not an ordinary file.
    """
    file = ordinary_file(root, relative)
    if file.stat().st_size > MAX_DOCUMENT_BYTES:
        raise SchemaError(
            f"{file} has {file.stat().st_size} bytes; a document of litho is smaller than 16 MiB"
        )
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SchemaError(f"{file} is not JSON ({error}); it may be cut short: make it again") from None
    if not isinstance(document, dict) or not isinstance(document.get("schema_version"), int):
        raise SchemaError(f"{file} is not a document of litho: it has no integer 'schema_version'")
    if document["schema_version"] > newest:
        raise SchemaError(
            f"{file} has schema version {document['schema_version']}, this litho reads up to {newest};"
            " upgrade with: pip install --upgrade litho"
        )
    return document
