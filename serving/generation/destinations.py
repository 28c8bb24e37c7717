"""Where shards go: a folder, or object storage under a URL. Both travel to workers by `pickle`.

A shard gets its name only when it is complete: in a folder by a rename, in object storage by one upload under the
condition that nothing has the name yet. What has it already came from an earlier try and has the same bytes; if not,
it is replaced, as no manifest names it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...bundle.json_documents import parse_as, read_as
from ...errors import StorageError, UsageError
from ...files import check_folder, remove_leftovers, sha256, write_bytes, write_file
from ...object_lock import locked
from ...object_store import Changed, ObjectFacts, ObjectStore
from .shard_manifest import MANIFEST_NAME, SCHEMA_VERSION, Shard, ShardManifest

__all__ = ["TAGS_NAME", "Destination", "Folder", "Url", "destination_of"]

_LOCK_NAME = ".writing.lock"
TAGS_NAME = ".tags.json"
"""Beside the manifest at a URL: the tag that the store gave each shard."""

_SCRATCH = "litho-shard-"
_READ_BYTES = 1 << 20
_SHARED_SECONDS = 10.0
"""For a file that another machine wrote to show here."""

_LOCK_SECONDS = 120.0
"""How long a run that was killed still counts as running; a live one renews its lock long before."""


class Destination(ABC):
    """Holds the shards of one run.

    Args:
        name: as it was given.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def check(self) -> None:
        """Refuse a location that cannot be written to, before any work.

        Raises:
            LithoError: it cannot.
        """

    @abstractmethod
    def locked(self) -> Any:
        """A context manager that keeps other runs away; gives a function to call from time to time meanwhile."""

    @abstractmethod
    def sweep(self) -> None:
        """Remove the unfinished files of workers that were ended; call it while none works on another machine."""

    @abstractmethod
    def read(self) -> ShardManifest | None:
        """The manifest, None if there is none.

        Raises:
            UsageError: there is something else.
        """

    @abstractmethod
    def write(self, manifest: ShardManifest) -> None:
        """Write the manifest."""

    @abstractmethod
    def add(self, file: str, write: Callable[[Path], object]) -> tuple[int, str]:
        """Put a file there that `write` fills; returns its size in bytes and its SHA-256."""

    def shows(self, shard: Shard) -> bool:
        """Whether a shard that a worker has just added is to be seen from this machine."""
        return True

    @abstractmethod
    def has(self, shards: list[Shard], report: Callable[[int], None]) -> list[bool]:
        """Whether each shard is there, unchanged; `report` is called with the number looked at."""


class Folder(Destination):
    """A folder; in a cluster, one that all nodes share."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._path = Path(name).absolute()

    def check(self) -> None:
        """See `Destination.check`."""
        check_folder(Path(self.name), "--output")

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """See `Destination.locked`."""
        self._path.mkdir(parents=True, exist_ok=True)
        # A lock on the folder itself leaves no file behind, and ends with the process.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StorageError(
                f"another process writes shards to {self.name}; wait for it, or give another folder"
            ) from None
        try:
            yield lambda: None
        finally:
            os.close(descriptor)

    def sweep(self) -> None:
        """See `Destination.sweep`."""
        remove_leftovers(self._path)

    def read(self) -> ShardManifest | None:
        """See `Destination.read`."""
        if (self._path / MANIFEST_NAME).exists():
            return read_as(ShardManifest, "a manifest of shards", self._path, MANIFEST_NAME, SCHEMA_VERSION)
        if present := sorted(path.name for path in self._path.iterdir() if not path.name.startswith(".")):
            raise UsageError(
                f"--output was given {self.name!r}, which holds {present[0]!r} and no shards; give a new folder"
            )
        return None

    def write(self, manifest: ShardManifest) -> None:
        """See `Destination.write`."""
        write_bytes(self._path / MANIFEST_NAME, _content(manifest))

    def add(self, file: str, write: Callable[[Path], object]) -> tuple[int, str]:
        """See `Destination.add`."""
        found: list[tuple[int, str]] = []

        def fill(path: Path) -> None:
            write(path)
            found.append((path.stat().st_size, sha256(path)))

        write_file(self._path / file, fill)
        return found[0]

    def shows(self, shard: Shard) -> bool:
        """See `Destination.shows`; a shared file system may need some seconds."""
        path, until = self._path / shard.file, time.monotonic() + _SHARED_SECONDS
        while not (path.is_file() and path.stat().st_size == shard.size):
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True

    def has(self, shards: list[Shard], report: Callable[[int], None]) -> list[bool]:
        """See `Destination.has`; every byte is read."""
        found: list[bool] = []
        for shard in shards:
            report(len(found))
            path = self._path / shard.file
            same = path.is_file() and path.stat().st_size == shard.size and sha256(path) == shard.sha256
            found.append(same)
        return found


class Url(Destination):
    """Object storage, such as s3://BUCKET/PREFIX.

    Beside the manifest, `.tags.json` holds the tag that the store gave each shard: another tag means that the object
    was written again. So a resume finds that from one listing, and reads only such objects.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._opened: ObjectStore | None = None
        self._tag: str | None = None
        self._tagged: dict[str, _Tagged] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    @property
    def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = ObjectStore(self.name)
        return self._opened

    def check(self) -> None:
        """See `Destination.check`."""
        self._store.read(MANIFEST_NAME)

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """See `Destination.locked`."""
        with locked(self._store, _LOCK_NAME, _LOCK_SECONDS) as lock:
            yield lock.keep

    def sweep(self) -> None:
        """See `Destination.sweep`; they lie on this machine's own disk."""
        for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*-*"):
            process = folder.name.removeprefix(_SCRATCH).partition("-")[0]
            if process.isdecimal() and not Path(f"/proc/{process}").exists():
                shutil.rmtree(folder, ignore_errors=True)

    def read(self) -> ShardManifest | None:
        """See `Destination.read`."""
        found = self._store.read_tagged(MANIFEST_NAME)
        if found is not None:
            content, self._tag = found
            file = Path(MANIFEST_NAME)
            return parse_as(ShardManifest, "a manifest of shards", file, content, SCHEMA_VERSION)
        self._tag = None
        if present := [key for key in self._store.listed() if key not in (_LOCK_NAME, TAGS_NAME)]:
            raise UsageError(
                f"--output was given {self.name!r}, which holds {present[0]!r} and no shards; give a new URL"
            )
        return None

    def write(self, manifest: ShardManifest) -> None:
        """See `Destination.write`."""
        tagged = {file: [one.sha256, one.tag] for file, one in sorted(self._tagged.items())}
        self._store.write(TAGS_NAME, json.dumps(tagged, indent=0).encode())
        try:
            self._tag = self._store.replace(MANIFEST_NAME, _content(manifest).encode(), self._tag)
        except Changed:
            raise StorageError(
                f"another process has written {self.name}/{MANIFEST_NAME}; give the same command again"
            ) from None

    def add(self, file: str, write: Callable[[Path], object]) -> tuple[int, str]:
        """See `Destination.add`; the file is filled on this machine's own disk first."""
        folder = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-"))
        try:
            write(path := folder / "shard")
            size, digest = path.stat().st_size, sha256(path)
            self._store.put(file, path, digest)
        except Changed:
            raise StorageError(f"another process has just written {self.name}/{file}") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return size, digest

    def has(self, shards: list[Shard], report: Callable[[int], None]) -> list[bool]:
        """See `Destination.has`; sizes and tags are compared, from one listing, and read is what has another tag.

        Of shards whose tag nobody noted, as an older litho did not, the size is compared.
        """
        report(0)
        found, noted = self._store.listed_facts(), self._noted()
        same: list[bool] = []
        for shard in shards:
            report(len(same))
            same.append(self._is(shard, found.get(shard.file), noted.get(shard.file)))
        return same

    def shows(self, shard: Shard) -> bool:
        """See `Destination.shows`; notes the tag too."""
        facts = self._store.facts(shard.file)
        if facts is None or facts.size != shard.size:
            return False
        self._tagged[shard.file] = _Tagged(shard.sha256, facts.tag)
        return True

    def _is(self, shard: Shard, facts: ObjectFacts | None, noted: _Tagged | None) -> bool:
        """Whether an object is a shard; if so, its tag is noted."""
        if facts is None or facts.size != shard.size:
            return False
        if noted is None:
            return True
        now = _Tagged(shard.sha256, facts.tag)
        if noted != now and self._sha256(shard.file) != shard.sha256:
            return False
        self._tagged[shard.file] = now
        return True

    def _noted(self) -> dict[str, _Tagged]:
        """What `write` noted; nothing if that is absent or no longer what it wrote."""
        try:
            found = json.loads(self._store.read(TAGS_NAME) or b"{}")
            return {str(file): _Tagged(str(digest), str(tag)) for file, (digest, tag) in found.items()}
        except (ValueError, TypeError, AttributeError):
            return {}

    def _sha256(self, file: str) -> str:
        digest = hashlib.sha256()
        with self._store.opened(file) as content:
            while chunk := content.read(_READ_BYTES):
                digest.update(chunk)
        return digest.hexdigest()


@dataclass(frozen=True)
class _Tagged:
    """The content of an object and the tag that its store gave it."""

    sha256: str
    tag: str


def destination_of(out: Path | str) -> Destination:
    """What --output names: a folder, or a URL of object storage.

    Raises:
        UsageError: it names nothing.
    """
    text = str(out)
    if text in ("", "file://"):
        raise UsageError(f"--output was given {text!r}, which names no folder; give one")
    if text.startswith("file://"):
        return Folder(text.removeprefix("file://"))
    return Url(text) if "://" in text else Folder(text)


def _content(manifest: ShardManifest) -> str:
    return manifest.model_dump_json(indent=2) + "\n"
