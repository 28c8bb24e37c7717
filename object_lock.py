"""Locks among the objects of a store, which all machines see: one writer at a time.

An object store has no locks. What it has is a write under a condition (`object_store`), and a lock is an object that
is written so.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import StorageError
from .object_store import Changed, ObjectStore

__all__ = ["LOCK_SECONDS", "Lock", "locked"]

LOCK_SECONDS = 600.0
"""How long a lock is good for; a writer renews it between two files."""


@contextmanager
def locked(store: ObjectStore, key: str, seconds: float = LOCK_SECONDS) -> Iterator[Lock]:
    """Hold the lock object `key` of a store while the block runs; without `Lock.keep` it is good for `seconds`.

    Raises:
        StorageError: another process holds it.
    """
    lock = Lock(store, key, seconds)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


class Lock:
    """A lock that other machines see: an object that names its holder and when it runs out.

    That of a process of this machine runs out when the process ends.

    Args:
        store: where it lies.
        key: of its object.
        seconds: how long it is good for, from its last renewal.
    """

    def __init__(self, store: ObjectStore, key: str, seconds: float = LOCK_SECONDS) -> None:
        self._store, self._key, self._seconds = store, key, seconds
        self._owner = uuid.uuid4().hex
        self._until = 0.0  # seconds since the epoch

    def acquire(self) -> None:
        """Take the lock, also one that has run out.

        Raises:
            StorageError: another process holds it.
        """
        found = self._store.read_tagged(self._key)
        holder = None if found is None else _holder(found[0])
        if holder is not None and holder["until"] > time.time() and not _ended(holder):
            raise StorageError(
                f"{holder['host']} (process {holder['pid']}) is writing {self._store.url}; wait until it ends, at most"
                f" {holder['until'] - time.time():.0f} s: then its lock {self._key} runs out"
            )
        self._write(None if found is None else found[1])

    def keep(self) -> None:
        """Renew the lock if half of its time is over.

        Raises:
            StorageError: it ran out, and another process has taken it.
        """
        if time.time() < self._until - self._seconds / 2:
            return
        found = self._store.read_tagged(self._key)
        if found is None or _holder(found[0])["owner"] != self._owner:
            raise self._taken()
        self._write(found[1])

    def release(self) -> None:
        """Give the lock back, unless another process has taken it."""
        with suppress(StorageError):
            found = self._store.read(self._key)
            if found is not None and _holder(found)["owner"] == self._owner:
                self._store.delete(self._key)

    def _write(self, tag: str | None) -> None:
        until = time.time() + self._seconds
        holder = {"owner": self._owner, **_here(), "until": until}
        try:
            self._store.replace(self._key, json.dumps(holder).encode(), tag)
        except Changed:
            raise self._taken() from None
        self._until = until

    def _taken(self) -> StorageError:
        return StorageError(
            f"another process has begun to write {self._store.url}; wait until it ends, then try again"
        )


def _here() -> dict[str, Any]:
    """This process; `pids` names the processes among which its number means something."""
    pids = ""
    with suppress(OSError):
        pids = Path("/proc/self/ns/pid").readlink().name
    return {"host": socket.gethostname(), "pid": os.getpid(), "pids": pids}


def _ended(holder: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine, and is none now."""
    here = _here()
    same = bool(here["pids"]) and all(holder.get(name) == here[name] for name in ("host", "pids"))
    return same and not Path(f"/proc/{holder['pid']}").exists()


def _holder(content: bytes) -> dict[str, Any]:
    """Who holds a lock; an object that is no lock of ours has run out."""
    unknown = {"owner": "", "host": "another machine", "pid": 0, "until": 0.0}
    try:
        found = json.loads(content)
        return {**unknown, **found, "until": float(found["until"])}
    except (ValueError, TypeError, KeyError):
        return unknown
