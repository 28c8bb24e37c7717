"""The audit log: one entry a line, each with the SHA-256 of the line before, so that no change stays hidden.

    {"details":{...},"event":"deploy","number":2,"previous":"<64 digits>","schema_version":1,"time":"..."}

Beside `FILE` lies `FILE.head` with the number of entries, their bytes and the hash of the last line: a removed last
line is found out too. Who may write both files can write another history. Against that, keep the head that `litho
audit verify` prints somewhere else, and give it back to `verify_log` later: the log must still hold it.

A log may be set aside when it is large (`audit_files`); numbers and hashes go on in the next file.

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
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field as Constraint, ValidationError

from ...bundle.json_documents import Document
from ...errors import AuditError
from ...files import write_bytes
from ..moments import now
from .audit_files import is_set_aside, older_files, set_aside

__all__ = [
    "AGAIN",
    "LOG_VARIABLE",
    "MOST_LINE_BYTES",
    "AuditLog",
    "Entry",
    "Event",
    "Head",
    "audited",
    "check_line",
    "locked",
    "log_of_environment",
    "read_head",
]

LOG_VARIABLE = "LITHO_AUDIT_LOG"
"""Environment variable with the file of the audit log."""

MOST_LINE_BYTES = 1 << 20
_FIRST = "0" * 64
AGAIN = "restore the log from a copy, or start another file and keep this one"
"""What to do about a log that was changed."""

Hash = Annotated[str, Constraint(pattern=r"^[0-9a-f]{64}$")]


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


class Head(Document):
    """What `FILE.head` holds.

    Args:
        schema_version: of the document.
        entries: of all files of the log.
        size_bytes: of the lines of the file that the last entry is in.
        sha256: of the last line, without its end.
    """

    schema_version: Literal[1] = 1
    entries: Annotated[int, Constraint(ge=0)] = 0
    size_bytes: Annotated[int, Constraint(ge=0)] = 0
    sha256: Hash = _FIRST

    def after(self, line: bytes) -> Head:
        """The head when a line, without its end, was added."""
        digest = hashlib.sha256(line).hexdigest()
        return Head(entries=self.entries + 1, size_bytes=self.size_bytes + len(line) + 1, sha256=digest)


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


class AuditLog:
    """A log that entries are added to; safe to use from several threads and processes.

    Args:
        path: of the file, which is made for its owner alone if it is absent.
        most_bytes: at this size the file is set aside, and the next one continues its chain; None for never.
    """

    def __init__(self, path: Path | str, most_bytes: int | None = None) -> None:
        self.path, self._most_bytes = Path(path), most_bytes

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
            with locked(self.path, fcntl.LOCK_EX) as descriptor:
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
        noted = _head_path(self.path)
        if content or not noted.exists():
            self._note(descriptor, head, start)
        else:  # a log whose head cannot be written cannot be written
            write_bytes(noted, noted.read_bytes())
        if self._most_bytes is not None and head.size_bytes >= self._most_bytes:
            # The last thing of all: who waits for the lock sees a whole log. All is entered by now, and an error would
            # let the caller enter it again; the next writer tries again to set the file aside.
            with suppress(OSError):
                set_aside(self.path, head.entries)

    def _note(self, descriptor: int, head: Head, start: int) -> None:
        """Write the head; if that fails, the log is cut off where it began to grow."""
        try:
            write_bytes(_head_path(self.path), head.model_dump_json() + "\n")
        except OSError:
            noted: Head | None = None
            with suppress(AuditError, OSError):
                noted = read_head(self.path, new=True)
            if noted != head:  # else it was put in place, and only the flush of its folder failed
                os.ftruncate(descriptor, start)
                raise


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


def check_line(path: Path, line: bytes, before: Head, first: int = 1) -> None:
    """Refuse a line that does not follow the one before.

    Args:
        path: of its file, for messages.
        line: with its end.
        before: the head that it follows.
        first: number of the first entry in the file.

    Raises:
        AuditError: it was changed, inserted or moved, or something before it was.
    """
    number = before.entries + 1
    at = number - first + 1
    try:
        entry = Entry.model_validate_json(line)
    except ValidationError:
        raise AuditError(f"line {at} of {path} is no entry: it was changed or inserted; {AGAIN}") from None
    if entry.number > number:
        raise AuditError(
            f"line {at} of {path} has entry {entry.number}: the {entry.number - number} before it were removed;"
            f" {AGAIN}"
        )
    if entry.number < number:
        raise AuditError(
            f"line {at} of {path} has entry {entry.number}, which comes again or was moved; {AGAIN}"
        )
    if entry.previous != before.sha256:
        where = f"line {at - 1} of {path} has changed" if at > 1 else f"{path} begins elsewhere"
        raise AuditError(f"{where}: line {at} was written after another; {AGAIN}")


def _caught_up(path: Path, descriptor: int) -> tuple[Head, bytes]:
    """The head with what a killed writer did not note in it, and the torn line at the end."""
    size = os.fstat(descriptor).st_size
    head = read_head(path, new=size == 0 and not older_files(path))
    first = 1
    if head.entries and is_set_aside(path, head.entries):
        head, first = head.model_copy(update={"size_bytes": 0}), head.entries + 1
    if size < head.size_bytes:
        raise AuditError(
            f"{path} has {size} bytes, its head {head.size_bytes}: lines were removed; run 'litho audit verify {path}'"
        )
    *lines, torn = os.pread(descriptor, size - head.size_bytes, head.size_bytes).split(b"\n")
    for line in lines:
        check_line(path, line, head, first)
        head = head.after(line)
    return head, torn


def _line(event: Event, head: Head) -> bytes:
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
def locked(path: Path, kind: int, *, create: bool = True) -> Iterator[int]:
    """The open file, locked until the block ends: against writers, and if `kind` is LOCK_EX against readers too."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT if create else os.O_RDONLY
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise AuditError(f"{path} is no ordinary file; give another for the audit log")
            fcntl.flock(descriptor, kind)
            if _is_at(descriptor, path):  # and was not set aside while this waited for the lock
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _head_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")


def read_head(path: Path, *, new: bool = False) -> Head:
    """The head of a log.

    Args:
        path: of the log.
        new: that it is missing means that the log has no entries.

    Raises:
        AuditError: it is missing or no head.
    """
    file = _head_path(path)
    try:
        with file.open("rb") as opened:
            return Head.model_validate_json(opened.read(MOST_LINE_BYTES))
    except FileNotFoundError:
        if new:
            return Head()
        raise AuditError(f"{file} is missing, without which removed lines are not found; {AGAIN}") from None
    except ValidationError:
        raise AuditError(f"{file} is no head of an audit log; {AGAIN}") from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have a user without a name
        return str(os.getuid())
