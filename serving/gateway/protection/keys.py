"""API keys of a gateway: made at random, stored as SHA-256 in a file, each with limits of its own."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ....errors import LithoError, SchemaError, UnknownName, UsageError, expected
from ....files import locked, read_text, write_file

__all__ = ["PREFIX", "KeyFile", "KeyLimits", "KeyRecord", "digest_of"]

PREFIX = "litho_"
"""What every key starts with, so that scanners of source code find keys that were committed by mistake."""

SECRET_BYTES = 32
"""Random bytes in a key. Nobody guesses 256 bits, so that one round of SHA-256 without salt is enough."""

_MOST_BYTES = 16 << 20
_SCHEMA_VERSION = 1


class KeyLimits(BaseModel):
    """Limits of one key; None leaves a limit to the gateway's own.

    Args:
        requests_per_minute: requests that ask for pictures, 1 or more.
        pictures_per_minute: pictures of all requests together, 1 or more.
        concurrent: requests at the same time, 1 or more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    pictures_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    concurrent: Annotated[int, Field(ge=1, le=100_000)] | None = None


class KeyRecord(BaseModel):
    """What the file holds of a key; the key itself is nowhere.

    Args:
        id: public name of the key, such as "key_3f9c2a7d10b4", in logs and on the command line.
        name: what its owner calls it.
        sha256: of the key, 64 hexadecimal digits.
        created: ISO 8601 in UTC.
        revoked: when it was revoked, in the same form; None while it is valid.
        limits: of this key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^key_[0-9a-f]{12}$")]
    name: Annotated[str, Field(max_length=100)] = ""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: str
    revoked: str | None = None
    limits: KeyLimits = KeyLimits()


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: int
    keys: list[KeyRecord]


def digest_of(key: bytes) -> bytes:
    """SHA-256 of a key as it travels, 32 bytes."""
    return hashlib.sha256(key).digest()


class KeyFile:
    """The file with a gateway's keys.

        >>> file = KeyFile("keys.json")
        >>> key, record = file.create("page")
        >>> file.revoke(record.id).revoked is None
        False

    Changes are made by one process at a time, written beside the file and renamed, so that a reader sees all keys of
    one moment. Only the owner may read the file.

    Args:
        path: of the file; it is made with the first key.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"<KeyFile {self.path}>"

    def read(self) -> tuple[KeyRecord, ...]:
        """All keys, revoked ones too, in the order of their creation.

        Raises:
            UsageError: there is no such file, or it cannot be read, or is no file of keys.
            SchemaError: it is damaged, or one of a newer litho.
        """
        try:
            text = read_text(self.path, _MOST_BYTES)
        except FileNotFoundError:
            raise UsageError(
                f"there is no file of keys at {str(self.path)!r}; make one with 'litho key create --keys FILE'"
            ) from None
        except OSError as error:
            raise UsageError(
                f"the file of keys {self.path} cannot be read: {error.strerror}; give that of 'litho key create'"
            ) from None
        except ValueError as error:
            raise UsageError(f"{self.path} is not a file of keys: {error}") from None
        return self._parsed(text)

    def create(self, name: str = "", limits: KeyLimits | None = None) -> tuple[str, KeyRecord]:
        """Make a key and add it.

        Args:
            name: what its owner calls it, at most 100 characters.
            limits: of this key; by default the gateway's.

        Returns:
            The key, which is nowhere else and cannot be shown again, and its record.

        Raises:
            UsageError: the name is too long, or the file cannot be written.
            LithoError: another command changes the file.
            UsageError, SchemaError: as `read` does.
        """
        if len(name) > 100 or not name.isprintable():
            raise UsageError(
                f"the name of a key has {len(name)} characters; expected at most 100 printable ones"
            )
        key = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        record = KeyRecord(
            id=f"key_{secrets.token_hex(6)}",
            name=name,
            sha256=digest_of(key.encode()).hex(),
            created=_now(),
            limits=limits or KeyLimits(),
        )
        self._change(lambda records: (*records, record), absent_is_empty=True)
        return key, record

    def revoke(self, id: str) -> KeyRecord:
        """Revoke a key; a running gateway refuses it from its next request on.

        Args:
            id: of the key, such as "key_3f9c2a7d10b4".

        Returns:
            Its record; that of a key that was revoked before is unchanged.

        Raises:
            UnknownName: there is no such key.
            UsageError, SchemaError: as `read` does.
        """
        changed: list[KeyRecord] = []

        def change(records: tuple[KeyRecord, ...]) -> tuple[KeyRecord, ...]:
            if id not in [record.id for record in records]:
                raise UnknownName("key", id, [record.id for record in records])
            new = tuple(
                record.model_copy(update={"revoked": _now()})
                if record.id == id and record.revoked is None
                else record
                for record in records
            )
            changed.extend(record for record in new if record.id == id)
            return new

        self._change(change, absent_is_empty=False)
        return changed[0]

    def _change(
        self, change: Callable[[tuple[KeyRecord, ...]], tuple[KeyRecord, ...]], *, absent_is_empty: bool
    ) -> None:
        busy = LithoError(f"another command changes {self.path} at the moment; try again")
        if not absent_is_empty and not self.path.exists():
            self.read()
        try:
            with locked(self.path.with_name(f".{self.path.name}.lock"), busy):
                records = () if absent_is_empty and not os.path.lexists(self.path) else self.read()
                self._write(change(records))
        except OSError as error:
            raise UsageError(f"the file of keys {self.path} cannot be written: {error.strerror}") from None

    def _write(self, records: tuple[KeyRecord, ...]) -> None:
        document = {
            "schema_version": _SCHEMA_VERSION,
            "keys": [record.model_dump(exclude_defaults=True) for record in records],
        }

        text = json.dumps(document, indent=1) + "\n"
        if len(text) > _MOST_BYTES:
            raise UsageError(
                f"{self.path} would have {len(text)} bytes, at most {_MOST_BYTES} are read; give another"
                " gateway a file of its own, or take revoked keys out"
            )

        def write(path: Path) -> None:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)

        write_file(self.path, write)

    def _parsed(self, text: str) -> tuple[KeyRecord, ...]:
        try:
            content: Any = json.loads(text)
            version = content["schema_version"]
            if version != _SCHEMA_VERSION:
                raise SchemaError(
                    f"{self.path} has schema version {version!r}, this litho reads {_SCHEMA_VERSION}; update litho"
                )
            records = tuple(_Document.model_validate(content).keys)
        except SchemaError:
            raise
        except ValidationError as error:
            (first, *_) = error.errors()
            where = ".".join(map(str, first["loc"]))
            raise SchemaError(f"{self.path} is not a file of keys: {where}: {expected(first)}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UsageError(
                f"{self.path} is not a file of keys; make one with 'litho key create --keys FILE'"
            ) from None
        for what, values in (
            ("id", {record.id for record in records}),
            ("SHA-256", {record.sha256 for record in records}),
        ):
            if len(values) < len(records):
                raise SchemaError(f"{self.path} is not a file of keys: two keys have the same {what}")
        return records


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
