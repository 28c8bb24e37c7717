"""Settings of a gateway as a file, which `litho gateway --settings` and `litho serve --gateway-settings` read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...errors import UsageError, expected
from ..configuration.settings_file import settings_in
from .settings import GatewaySettings

__all__ = ["read_settings"]


def read_settings(path: Path) -> dict[str, Any]:
    """The settings that a file gives: name -> value of a field of `GatewaySettings`.

    Args:
        path: of a JSON file such as {"schema_version": 1, "settings": {"keys": "keys.json"}}; files that it names are
            relative to its folder. The server is no setting of a file.

    Raises:
        UsageError: it is not such a file, or a setting has an unknown name or a value that is not allowed.
    """
    known = [name for name in GatewaySettings.model_fields if name != "server"]
    given = settings_in(path, {"port": 8080}, known)
    try:
        read = GatewaySettings.model_validate({"server": "grpc://127.0.0.1:1", **given})
    except ValidationError as error:
        (first, *_) = error.errors()
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: {where} was given {first['input']!r}; {expected(first)}") from None
    values = {name: getattr(read, name) for name in given}
    return {name: path.parent / value if isinstance(value, Path) else value for name, value in values.items()}
