"""The JSON documents of litho: their base class, and the reader, which trusts no file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import SchemaError, expected
from ..files import ordinary_file

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "Document",
    "parse_as",
    "parse_json",
    "read_as",
    "read_content",
    "read_document",
]

MAX_DOCUMENT_BYTES = 16 << 20
"""Largest document that is read: real ones are far smaller, and a larger file is refused before it is read."""


_MOST_DIGITS = 400
"""Digits of a whole number: FP64, whose range no field exceeds, has at most 309."""


class Document(BaseModel):
    """Base class of all JSON documents of litho: immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


_Document = TypeVar("_Document", bound=Document)


def parse_json(text: str) -> Any:
    """Parse JSON text that nobody vouches for.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or has a number or text that nothing can hold; the message
            is one line.
    """
    try:
        document = json.loads(text, parse_int=_whole_number)
        json.dumps(document, ensure_ascii=False).encode()  # an escape may stand for half a character
        return document
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it has a text that is not Unicode") from None


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a whole number has {len(digits)} digits, at most {_MOST_DIGITS} are allowed")
    return int(digits)


def read_as(kind: type[_Document], what: str, root: Path, relative: str, newest: int) -> _Document:
    """Read a document of one kind.

    Args:
        kind: class of the document.
        what: what it is, for the message, such as "a manifest".
        root, relative, newest: see `read_document`.

    Raises:
        SchemaError: the file is not such a document, is too large, or has a newer schema.
        IntegrityError: the file is missing or is not an ordinary file.
    """
    return parse_as(kind, what, root / relative, read_content(root, relative), newest)


def parse_as(kind: type[_Document], what: str, file: Path, content: bytes, newest: int) -> _Document:
    """Parse the content of a document of one kind.

    Args:
        kind, what, newest: see `read_as`.
        file: where the content comes from, for the message.
        content: of the file.

    Raises:
        SchemaError: it is not such a document, or has a newer schema.
    """
    document = _parse(file, content, newest)
    try:
        # As JSON text: Python values would not become tuples.
        return kind.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise SchemaError(f"{file} is not {what}: {where}: {expected(first)}") from None


def read_document(root: Path, relative: str, newest: int) -> dict[str, Any]:
    """Read a JSON object that litho wrote, of a schema that this version knows.

    Args:
        root: directory of the document.
        relative: its path inside `root`.
        newest: largest `schema_version` that the caller reads.

    Raises:
        SchemaError: the file is too large, is not such an object, or has a newer schema.
        IntegrityError: the file is missing or is not an ordinary file.
    """
    return _parse(root / relative, read_content(root, relative), newest)


def read_content(root: Path, relative: str) -> bytes:
    """The bytes of a document, none of which is looked at.

    Raises:
        SchemaError: the file is too large.
        IntegrityError: the file is missing or is not an ordinary file.
    """
    file = ordinary_file(root, relative)
    size = file.stat().st_size
    if size > MAX_DOCUMENT_BYTES:
        raise SchemaError(f"{file} has {size} bytes; a document of litho has at most {MAX_DOCUMENT_BYTES}")
    return file.read_bytes()


def _parse(file: Path, content: bytes, newest: int) -> dict[str, Any]:
    try:
        document = parse_json(content.decode("utf-8"))
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
