"""Settings of a gateway as a file, which `litho gateway --settings` and `litho serve --gateway-settings` read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...bundle.json_documents import MAX_DOCUMENT_BYTES, parse_json
from ...errors import UnknownName, UsageError
from ...files import read_text
from .settings import GatewaySettings

__all__ = ["read_settings"]

SCHEMA_VERSION = 1
_FORM = f'{{"schema_version": {SCHEMA_VERSION}, "settings": {{"port": 8080}}}}'


def read_settings(path: Path) -> dict[str, Any]:
    """The settings that a file gives: name -> value of a field of `GatewaySettings`.

    Args:
        path: of a JSON file such as {"schema_version": 1, "settings": {"keys": "keys.json"}}; files that it names are
            relative to its folder. The server is no setting of a file.

    Raises:
        UsageError: it is not such a file, or a setting has an unknown name or a value that is not allowed.
    """
    try:
        document = parse_json(read_text(path, MAX_DOCUMENT_BYTES))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} is not a file of settings: {why}; expected {_FORM}") from None
    if not isinstance(document, dict) or set(document) != {"schema_version", "settings"}:
        raise UsageError(f"{path} is not a file of settings; expected {_FORM}")
    given = document["settings"]
    if document["schema_version"] != SCHEMA_VERSION or not isinstance(given, dict):
        raise UsageError(
            f"{path} has schema version {document['schema_version']!r}; this litho reads {_FORM}:"
            " upgrade with: pip install --upgrade litho"
        )
    known = [name for name in GatewaySettings.model_fields if name != "server"]
    for name in given:
        if name not in known:
            raise UnknownName(f"setting of {path}", name, known)
    try:
        read = GatewaySettings.model_validate({"server": "grpc://127.0.0.1:1", **given})
    except ValidationError as error:
        (first, *_) = error.errors()
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: {where} was given {first['input']!r}: {first['msg']}") from None
    values = {name: getattr(read, name) for name in given}
    return {name: path.parent / value if isinstance(value, Path) else value for name, value in values.items()}
