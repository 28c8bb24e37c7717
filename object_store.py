"""Objects under one URL of an `fsspec` file system: list, read in whole or in part, write under a condition.

An object store has no rename and no folders. What it has is a write that succeeds only if the object is absent, or is
still the one that was read: locks and the commit of a model repository rest on that. S3 has both conditions
(`If-None-Match` and `If-Match`). Other file systems have only the first; for them the second is a comparison just
before the write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .errors import LithoError, MissingExtra, StorageError, UsageError
from .extras import require

__all__ = ["Changed", "ObjectFacts", "ObjectStore"]

_S3 = ("s3", "s3a")
_LOST = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
_RETRIES = 3
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_BLOCK_BYTES = 4 << 20
"""Bytes that an open object reads ahead; the library's own 50 MiB are more than most reads want."""


class Changed(Exception):
    """Another writer has changed an object since it was read."""


@dataclass(frozen=True)
class ObjectFacts:
    """What a store knows of an object without reading it.

    Args:
        size: in bytes.
        tag: another one when the object is written again: S3's ETag, the hub's hash, else the time of the last change.
    """

    size: int
    tag: str


class ObjectStore:
    """The objects under a URL; keys are relative to it and have no leading slash.

    Nothing is cached: every call asks the store. For S3, address and keys come from the environment
    (`AWS_ENDPOINT_URL`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID`, ...) as in other programs.

    Args:
        url: such as "s3://bucket/prefix"; any protocol that `fsspec` knows.

    Raises:
        MissingExtra: the package for this protocol is not installed.
        UsageError: `fsspec` does not know the protocol, or the URL names no bucket.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        protocol, _, path = url.partition("://")
        if not path.strip("/"):
            raise UsageError(f"{url!r} names no bucket; give s3://BUCKET/PREFIX")
        self._conditional = protocol in _S3
        fsspec = require("fsspec", "storage")
        if self._conditional:
            require("s3fs", "storage")
        try:
            self._files, root = fsspec.core.url_to_fs(self.url, **self._options())
        except ImportError as error:
            if error.name:
                raise MissingExtra(error.name, "storage") from error
            raise UsageError(
                f"{url!r} cannot be opened: {error}; s3://BUCKET/PREFIX needs litho[storage] only"
            ) from error
        except ValueError as error:
            raise UsageError(
                f"{url!r} is not a URL that litho can open ({error}); give s3://BUCKET/PREFIX"
            ) from None
        self._root = root.rstrip("/")

    def __repr__(self) -> str:
        return f"<ObjectStore {self.url}>"

    def _options(self) -> dict[str, Any]:
        if not self._conditional:
            return {}
        timeouts = {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS}
        retries = {"max_attempts": _RETRIES, "mode": "standard"}
        return {
            "use_listings_cache": False,
            "config_kwargs": {**timeouts, "retries": retries},
        }

    def listed(self, prefix: str = "") -> list[str]:
        """All keys that start with `prefix`, a folder or nothing."""
        with self._reporting("list"):
            try:
                found = self._files.find(self._path(prefix) if prefix else self._root)
            except FileNotFoundError:
                return []
        return sorted(path.removeprefix(f"{self._root}/") for path in found)

    def facts(self, key: str = "") -> ObjectFacts | None:
        """Size and tag of an object, by default of the one that the URL names; None if there is none."""
        with self._reporting("read", key):
            try:
                found = self._files.info(self._path(key))
            except FileNotFoundError:
                return None
        return _facts(found) if found["type"] == "file" else None

    def listed_facts(self) -> dict[str, ObjectFacts]:
        """All keys, each with size and tag, in the order of the keys."""
        with self._reporting("list"):
            try:
                found = self._files.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
        keys = {path.removeprefix(f"{self._root}/"): facts for path, facts in found.items()}
        return {key: _facts(keys[key]) for key in sorted(keys)}

    def read(self, key: str, first: int | None = None, end: int | None = None) -> bytes | None:
        """The content of an object, or its bytes from `first` to before `end`; None if there is no object."""
        with self._reporting("read", key):
            try:
                return self._files.cat_file(self._path(key), start=first, end=end)
            except FileNotFoundError:
                return None

    @contextmanager
    def opened(self, key: str) -> Iterator[Any]:
        """An object as a binary file that seeks, and reads over the network only what is asked for.

        Raises:
            StorageError: it is absent or cannot be read, also while the block runs.
        """
        with (
            self._reporting("read", key),
            self._files.open(self._path(key), "rb", block_size=_BLOCK_BYTES) as file,
        ):
            yield file

    def read_tagged(self, key: str) -> tuple[bytes, str] | None:
        """Content and tag of an object, the tag being good for `replace`; None if there is no object.

        The tag is asked for before the content: if the object changes in between, the tag is the old one and a write
        under it fails.
        """
        with self._reporting("read", key):
            try:
                tag = self._tag(key)
                return self._files.cat_file(self._path(key)), tag
            except FileNotFoundError:
                return None

    def write(self, key: str, content: bytes) -> None:
        """Write an object, whatever was there."""
        with self._reporting("write", key):
            self._pipe(key, content)

    def create(self, key: str, content: bytes) -> None:
        """Write an object that must not exist yet.

        Raises:
            Changed: it exists.
        """
        with self._reporting("write", key):
            try:
                self._pipe(key, content, mode="create")
            except FileExistsError:
                raise Changed(key) from None

    def put(self, key: str, path: Path, sha256: str) -> None:
        """Upload a file under a key that is new or has the same content; other content is replaced.

        Args:
            key: of the object.
            path: of the file.
            sha256: of its content, as 64 hexadecimal digits.
        """
        with self._reporting("write", key):
            try:
                if not self._conditional:
                    self._files.makedirs(self._path(key).rpartition("/")[0], exist_ok=True)
                self._files.put_file(str(path), self._path(key), mode="create")
                return
            except Exception as error:  # each library has an error of its own for this
                if not isinstance(error, FileExistsError) and _code(error) not in _LOST:
                    raise
        found = self.read_tagged(key)
        if found is None or hashlib.sha256(found[0]).hexdigest() != sha256:
            self.replace(key, path.read_bytes(), None if found is None else found[1])

    def replace(self, key: str, content: bytes, tag: str | None) -> str:
        """Write an object if it is still the one of `tag`, or still absent if `tag` is None.

        Returns:
            The tag of what was written.

        Raises:
            Changed: it is another one.
        """
        if tag is None:
            self.create(key, content)
        else:
            self._replace(key, content, tag)
        with self._reporting("read", key):
            return self._tag(key)

    def _replace(self, key: str, content: bytes, tag: str) -> None:
        with self._reporting("write", key):
            if self._conditional:
                try:
                    self._pipe(key, content, IfMatch=tag)
                except FileNotFoundError as error:
                    if _code(error) == "NoSuchBucket":
                        raise
                    raise Changed(key) from None
                return
            try:
                same = self._tag(key) == tag
            except FileNotFoundError:
                same = False
            if not same:
                raise Changed(key)
            self._pipe(key, content)

    def delete(self, *keys: str) -> None:
        """Delete objects; absent ones are fine."""
        for key in keys:
            with self._reporting("delete", key), suppress(FileNotFoundError):
                self._files.rm_file(self._path(key))

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root

    def _pipe(self, key: str, content: bytes, **options: Any) -> None:
        path = self._path(key)
        if not self._conditional:
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(path, content, **options)

    def _tag(self, key: str) -> str:
        found = self._files.info(self._path(key))
        if self._conditional:
            return found["ETag"]
        return str(self._files.ukey(self._path(key)))

    @contextmanager
    def _reporting(self, action: str, key: str = "") -> Iterator[None]:
        """Turn what the libraries raise into one line; they share no base class."""
        try:
            yield
        except (LithoError, Changed, MemoryError):
            raise
        except Exception as error:
            if _code(error) in _LOST:
                raise Changed(key) from error
            where = f"{self.url}/{key}" if key else self.url
            raise StorageError(f"cannot {action} {where}: {_cause(error)}") from error


def _facts(found: dict[str, Any]) -> ObjectFacts:
    """From what `fsspec` says of an object, in the words of each file system."""
    lfs = found.get("lfs") or {}
    for tag in (found.get("ETag"), lfs.get("sha256"), found.get("blob_id")):
        if tag:
            return ObjectFacts(int(found["size"]), str(tag).strip('"'))
    changed = found.get("mtime", found.get("created", found.get("LastModified", "")))
    moment = changed.timestamp() if isinstance(changed, datetime) else changed
    return ObjectFacts(int(found["size"]), f"changed {moment}")


def _code(error: BaseException) -> str:
    """S3's code of an error, which the library translates; empty if it is not from S3."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code")) if isinstance(response, dict) else ""


def _cause(error: BaseException) -> str:
    """What went wrong and what to do, in a line."""
    kind, text = type(error).__name__, " ".join(str(error).split()) or type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"):
        return f"{text.rstrip('.')}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if isinstance(error, PermissionError):
        return f"permission denied ({text.rstrip('.')}); check the credentials and the bucket's policy"
    if kind in (
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ConnectionClosedError",
    ):
        return f"{text.rstrip('.')}; check the network and AWS_ENDPOINT_URL"
    return text
