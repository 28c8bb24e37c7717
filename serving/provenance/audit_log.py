"""The audit log: one entry a line, each with the SHA-256 of the line before, so that no change stays hidden.

    {"details":{...},"event":"deploy","number":2,"previous":"<64 digits>","schema_version":1,"time":"..."}

Beside `FILE` lies `FILE.head` with the number of entries, their bytes and the hash of the last line: a removed last
line is found out too. Who may write both files can write another history. Against that, keep the head that `litho
audit verify` prints somewhere else, and give it back to `verify_log` later: the log must still hold it.

Several processes may write one log (`flock`). Entries are flushed to the disk before the head names them. What a
killed writer left is taken up by the next one: whole lines count, a torn one is cut off, which is an entry itself.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field as Constraint, ValidationError

from ...bundle.json_documents import Document
from ...errors import AuditError
from ...files import write_bytes

__all__ = [
    "LOG_VARIABLE",
    "AuditLog",
    "Entry",
    "Event",
    "Verified",
    "audited",
    "log_of_environment",
    "verify_log",
]

LOG_VARIABLE = "LITHO_AUDIT_LOG"
"""Environment variable with the file of the audit log."""

MOST_LINE_BYTES = 1 << 20
_FIRST = "0" * 64
_AGAIN = "restore the log from a copy, or start another file and keep this one"

Hash = Annotated[str, Constraint(pattern=r"^[0-9a-f]{64}$")]


def now() -> str:
    """The time in UTC with milliseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Entry(Document):
    """One line of the log.

    Args:
        schema_version: of the entry.
        number: from 1.
        time: in UTC.
        event: what happened, such as "request" or "deploy".
        details: of it.
        previous: SHA-256 of the line before, without its end; zeros for the first.
    """

    schema_version: Literal[1] = 1
    number: Annotated[int, Constraint(ge=1)]
    time: str
    event: str
    details: dict[str, Any]
    previous: Hash


class _Head(Document):
    """What `FILE.head` holds: number of entries, bytes of their lines, SHA-256 of the last line."""

    schema_version: Literal[1] = 1
    entries: Annotated[int, Constraint(ge=0)] = 0
    size_bytes: Annotated[int, Constraint(ge=0)] = 0
    sha256: Hash = _FIRST

    def after(self, line: bytes) -> _Head:
        """The head when a line, without its end, was added."""
        digest = hashlib.sha256(line).hexdigest()
        return _Head(entries=self.entries + 1, size_bytes=self.size_bytes + len(line) + 1, sha256=digest)


@dataclass(frozen=True)
class Event:
    """Something to enter.

    Args:
        event: what happened.
        details: JSON values.
        time: when, in UTC.
    """

    event: str
    details: dict[str, Any]
    time: str = field(default_factory=now)


@dataclass(frozen=True)
class Verified:
    """A log in which nothing was changed, removed or inserted.

    Args:
        entries: how many it has.
        head: number and hash of the last one, "NUMBER:HASH".
        notes: what a killed writer left, in words.
    """

    entries: int
    head: str
    notes: tuple[str, ...] = ()


class AuditLog:
    """A log that entries are added to; safe to use from several threads and processes.

    Args:
        path: of the file, which is made for its owner alone if it is absent.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def check(self) -> None:
        """Refuse a log that cannot be written, or lost lines since the last entry.

        Raises:
            AuditError: see `append`.
        """
        self.append()

    def append(self, *events: Event) -> None:
        """Add entries, all of them or none, and flush them to the disk.

        Raises:
            AuditError: the file cannot be written, or was changed by something else.
        """
        try:
            with _locked(self.path, fcntl.LOCK_EX) as descriptor:
                self._append(descriptor, events)
        except OSError as error:
            raise AuditError(
                f"the audit log {self.path} cannot be written ({error.strerror}); make room or give another file"
            ) from None

    def _append(self, descriptor: int, events: Sequence[Event]) -> None:
        head, torn = _caught_up(self.path, descriptor)
        if torn:
            os.ftruncate(descriptor, head.size_bytes)
            cut = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
            events = (Event("torn-line-cut", cut), *events)
        start, content = head.size_bytes, bytearray()
        for event in events:
            line = _line(event, head)
            head = head.after(line)
            content += line + b"\n"
        if content:
            _write(descriptor, bytes(content), start)
        if content or not _head_path(self.path).exists():
            write_bytes(_head_path(self.path), head.model_dump_json() + "\n")


@contextmanager
def audited(path: Path | None, event: str, **details: Any) -> Iterator[dict[str, Any]]:
    """Enter that the block's work starts, and how it ended; without a log nothing is entered.

    The block may add details to the dictionary that it gets. "started" without an end is work that was killed.

    Args:
        path: of the log; None for none.
        event: what is done.
        details: JSON values.

    Raises:
        AuditError: the log cannot be written or was changed; the block has not run.
    """
    if path is None:
        yield {}
        return
    log, number = AuditLog(path), os.urandom(8).hex()
    details = {"operation": number, "user": _user(), **details}
    log.append(Event(event, {**details, "outcome": "started"}))
    try:
        yield details
    except BaseException as error:
        log.append(Event(event, {**details, "outcome": "failed", "error": type(error).__name__}))
        raise
    log.append(Event(event, {**details, "outcome": "done"}))


def log_of_environment() -> Path | None:
    """The file that the environment names for the audit log; None for none."""
    named = os.environ.get(LOG_VARIABLE)
    return Path(named) if named else None


def verify_log(path: Path | str, head: str | None = None) -> Verified:
    """Check that no line of a log was changed, removed, inserted or moved.

        >>> verified = verify_audit_log("audit.jsonl")
        >>> verify_audit_log("audit.jsonl", verified.head).entries
        2

    Args:
        path: of the log.
        head: what an earlier call gave as `Verified.head` and was kept elsewhere; the log must still hold that entry.

    Raises:
        AuditError: something was; the message names the line.
    """
    path = Path(path)
    pinned = _parse_pin(head)
    if not path.is_file():
        raise AuditError(f"there is no audit log at {path}; give the file of --audit-log")
    try:
        with _locked(path, fcntl.LOCK_SH, create=False) as descriptor:
            return _verified(path, descriptor, pinned)
    except OSError as error:
        raise AuditError(f"the audit log {path} cannot be read ({error.strerror})") from None


def _verified(path: Path, descriptor: int, pinned: tuple[int, str] | None) -> Verified:
    noted, found, torn = _read_head(path), _Head(), b""
    known = {noted.entries: noted.sha256}
    with os.fdopen(os.dup(descriptor), "rb") as file:
        while line := file.readline(MOST_LINE_BYTES):
            if not line.endswith(b"\n"):
                torn = line
                break
            _check_line(path, line, found)
            found = found.after(line.removesuffix(b"\n"))
            if known.get(found.entries, found.sha256) != found.sha256:
                raise AuditError(
                    f"line {found.entries} of {path} has changed: the head names another; {_AGAIN}"
                )
            if pinned is not None and found.entries == pinned[0] and found.sha256 != pinned[1]:
                raise AuditError(
                    f"line {found.entries} of {path} is not the one of the given head: the log is another; {_AGAIN}"
                )
    least = max(noted.entries, pinned[0] if pinned else 0)
    if found.entries < least:
        raise AuditError(
            f"{path} has {found.entries} entries, its head {least}: the last {least - found.entries} were removed;"
            f" {_AGAIN}"
        )
    behind = found.entries - noted.entries
    notes = [f"a killed writer did not note the last {behind} in the head"] if behind else []
    notes += [f"{len(torn)} bytes at the end are a torn line, which the next writer cuts off"] if torn else []
    return Verified(found.entries, f"{found.entries}:{found.sha256}", tuple(notes))


def _check_line(path: Path, line: bytes, before: _Head) -> None:
    number = before.entries + 1
    try:
        entry = Entry.model_validate_json(line)
    except ValidationError:
        raise AuditError(
            f"line {number} of {path} is no entry: it was changed or inserted; {_AGAIN}"
        ) from None
    if entry.number > number:
        raise AuditError(
            f"line {number} of {path} has entry {entry.number}: the {entry.number - number} before it were removed;"
            f" {_AGAIN}"
        )
    if entry.number < number:
        raise AuditError(
            f"line {number} of {path} has entry {entry.number}, which comes again or was moved; {_AGAIN}"
        )
    if entry.previous != before.sha256:
        where = f"line {number - 1} of {path} has changed" if before.entries else f"{path} begins elsewhere"
        raise AuditError(f"{where}: line {number} was written after another; {_AGAIN}")


def _caught_up(path: Path, descriptor: int) -> tuple[_Head, bytes]:
    """The head with what a killed writer did not note in it, and the torn line at the end."""
    head, size = _read_head(path, new=os.fstat(descriptor).st_size == 0), os.fstat(descriptor).st_size
    if size < head.size_bytes:
        raise AuditError(
            f"{path} has {size} bytes, its head {head.size_bytes}: lines were removed; run 'litho audit verify {path}'"
        )
    *lines, torn = os.pread(descriptor, size - head.size_bytes, head.size_bytes).split(b"\n")
    for line in lines:
        _check_line(path, line, head)
        head = head.after(line)
    return head, torn


def _line(event: Event, head: _Head) -> bytes:
    entry = {
        "schema_version": 1,
        "number": head.entries + 1,
        "time": event.time,
        "event": event.event,
        "details": event.details,
        "previous": head.sha256,
    }
    line = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
    if len(line) >= MOST_LINE_BYTES:
        raise AuditError(
            f"an entry of the audit log has {len(line)} bytes, at most {MOST_LINE_BYTES - 1} are allowed"
        )
    return line


def _write(descriptor: int, content: bytes, start: int) -> None:
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, start)
        raise


@contextmanager
def _locked(path: Path, kind: int, *, create: bool = True) -> Iterator[int]:
    """The open file, locked until the block ends: against writers, and if `kind` is LOCK_EX against readers too."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT if create else os.O_RDONLY
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise AuditError(f"{path} is no ordinary file; give another for the audit log")
        fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)


def _head_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")


def _read_head(path: Path, *, new: bool = False) -> _Head:
    file = _head_path(path)
    try:
        with file.open("rb") as opened:
            return _Head.model_validate_json(opened.read(MOST_LINE_BYTES))
    except FileNotFoundError:
        if new:
            return _Head()
        raise AuditError(f"{file} is missing, without which removed lines are not found; {_AGAIN}") from None
    except ValidationError:
        raise AuditError(f"{file} is no head of an audit log; {_AGAIN}") from None


def _parse_pin(head: str | None) -> tuple[int, str] | None:
    if head is None:
        return None
    number, _, digest = head.partition(":")
    try:
        pinned = _Head(entries=int(number), sha256=digest)
    except ValueError:
        raise AuditError(
            f"the head was given as {head[:80]!r}; expected is NUMBER:HASH, as 'litho audit verify' prints it"
        ) from None
    return pinned.entries, pinned.sha256


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have a user without a name
        return str(os.getuid())
