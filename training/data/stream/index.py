"""The index of a stream: which chunks its shards have. It is made once and kept in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.progress import track

from ....bundle.json_documents import Document
from ....errors import DataError
from ....files import write_bytes
from ....object_store import ObjectStore
from ...cache import writable_cache
from .formats.base import format_of
from .shard import Shard

__all__ = ["FOLDER", "indexed"]

_SCHEMA_VERSION = 1
_READERS = 8

FOLDER = "streams"
"""Of the indexes, in the cache."""


class _Index(Document):
    """The shards of one location, as they were when they were indexed."""

    schema_version: int = _SCHEMA_VERSION
    shards: tuple[Shard, ...] = ()


def indexed(store: ObjectStore, shards: Sequence[Shard]) -> tuple[Shard, ...]:
    """The shards with their chunks: from the cache those that have not changed since, from the store the others.

    Processes of one machine wait for the first that does it.

    Raises:
        UsageError: nothing may be written to the cache.
        DataError: a shard is damaged, is empty, or differs from the others in what it records.
        StorageError: a shard cannot be read.
    """
    cache = writable_cache(FOLDER) / f"{hashlib.sha256(store.url.encode()).hexdigest()[:16]}.json"
    with _alone(cache.with_suffix(".lock")):
        known = {(one.key, one.size, one.tag, one.sha256): one for one in _read(cache)}
        found = [known.get((one.key, one.size, one.tag, one.sha256)) for one in shards]
        missing = [shard for shard, one in zip(shards, found, strict=True) if one is None]
        if missing:
            made = iter(_made(store, missing))
            found = [next(made) if one is None else one for one in found]
            others = {key: one for key, one in known.items() if key[0] not in {shard.key for shard in shards}}
            document = _Index(shards=tuple(one for one in (*found, *others.values()) if one is not None))
            write_bytes(cache, document.model_dump_json() + "\n")
    complete = tuple(one for one in found if one is not None)
    _check_alike(store, complete)
    return complete


def _made(store: ObjectStore, shards: Sequence[Shard]) -> list[Shard]:
    console = Console(stderr=True)
    with ThreadPoolExecutor(_READERS) as pool:
        try:
            done = pool.map(lambda shard: format_of(shard.key).indexed(store, shard), shards)
            shown = track(
                done,
                "reading the index of the shards",
                total=len(shards),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
            return list(shown)
        finally:
            pool.shutdown(cancel_futures=True)


def _check_alike(store: ObjectStore, shards: Sequence[Shard]) -> None:
    first = shards[0]
    for shard in shards:
        where = f"{store.url}/{shard.key}"
        if not shard.pictures:
            raise DataError(f"{where} has no pictures; take it out")
        if (shard.columns, shard.class_names) != (first.columns, first.class_names):
            raise DataError(
                f"{where} has other columns or class names than {first.key}; all shards must agree"
            )


def _read(cache: Path) -> tuple[Shard, ...]:
    try:
        index = _Index.model_validate_json(cache.read_bytes())
    except (OSError, ValidationError):
        return ()  # it is made again
    return index.shards if index.schema_version == _SCHEMA_VERSION else ()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
