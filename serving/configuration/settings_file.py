"""Settings of a deployment as a file: what `litho bench tune` writes and `litho deploy --settings` reads."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...bundle.json_documents import MAX_DOCUMENT_BYTES, parse_json
from ...errors import UnknownName, UsageError, expected
from ...files import read_text, write_bytes
from .settings import ServingSettings

__all__ = ["read_settings", "settings_in", "write_settings"]

SCHEMA_VERSION = 1


def read_settings(path: Path) -> dict[str, Any]:
    """The settings that a file gives: name -> value of a field of `ServingSettings`.

    Args:
        path: of a JSON file such as {"schema_version": 1, "settings": {"threads": 2}}.

    Raises:
        UsageError: it is not such a file, or a setting has an unknown name or a value that is not allowed.
    """
    given = settings_in(path, {"threads": 2}, [field.name for field in fields(ServingSettings)])
    try:
        # As JSON text: Python values would not become tuples.
        read = TypeAdapter(ServingSettings).validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{'.'.join(map(str, first['loc']))} was given {first['input']!r}; " if first["loc"] else ""
        raise UsageError(f"{path}: {where}{expected(first)}") from None
    return {name: getattr(read, name) for name in given}


def settings_in(path: Path, example: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The settings in a file, with known names and values that nobody has checked.

    Args:
        path: of a JSON file with "schema_version" and "settings".
        example: settings for messages, which show the form of a file.
        known: names that settings may have.

    Raises:
        UsageError: it is not such a file, or a setting has an unknown name.
    """
    form = json.dumps({"schema_version": SCHEMA_VERSION, "settings": example})
    try:
        document = parse_json(read_text(path, MAX_DOCUMENT_BYTES))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} is not a file of settings: {why}; expected {form}") from None
    if not isinstance(document, dict) or set(document) != {"schema_version", "settings"}:
        raise UsageError(f"{path} is not a file of settings; expected {form}")
    given = document["settings"]
    if document["schema_version"] != SCHEMA_VERSION or not isinstance(given, dict):
        raise UsageError(
            f"{path} has schema version {document['schema_version']!r}; this litho reads {form}:"
            " upgrade with: pip install --upgrade litho"
        )
    for name in given:
        if name not in known:
            raise UnknownName(f"setting of {path}", name, known)
    return given


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write settings, name -> value, as `read_settings` reads them."""
    write_bytes(
        path, json.dumps({"schema_version": SCHEMA_VERSION, "settings": dict(settings)}, indent=2) + "\n"
    )
