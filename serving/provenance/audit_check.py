"""Checks an audit log: no line of any of its files was changed, removed, inserted or moved."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from ...errors import AuditError, UsageError
from .audit_files import older_files
from .audit_log import AGAIN, MOST_LINE_BYTES, Entry, Head, check_line, locked, read_head

__all__ = ["Verified", "verify_log"]


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


def verify_log(path: Path | str, head: str | None = None) -> Verified:
    """Check that no line of a log was changed, removed, inserted or moved.

        >>> verified = verify_audit_log("audit.jsonl")
        >>> verify_audit_log("audit.jsonl", verified.head).entries
        2

    Args:
        path: of the log.
        head: what an earlier call gave as `Verified.head` and was kept elsewhere; the log must still hold that entry,
            or begin right after it, where its older files were moved away.

    Raises:
        UsageError: there is no log at that path, it cannot be read, or the head is not one.
        AuditError: something was; the message names the line.
    """
    path = Path(path)
    pinned = _parse_pin(head)
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no ordinary file; give the file of --audit-log")
    try:
        while (verified := _verify(path, pinned)) is None:
            pass
    except OSError as error:
        raise UsageError(
            f"the audit log {path} cannot be read ({error.strerror}); give the file of --audit-log"
        ) from None
    return verified


def _verify(path: Path, pinned: tuple[int, str] | None) -> Verified | None:
    """The log as it is now; None if a writer began its next file meanwhile."""
    with _newest(path) as newest, ExitStack() as opened:
        # No file is set aside while this holds the lock of the newest one.
        older = older_files(path)
        if newest is None and not older:
            raise UsageError(f"there is no audit log at {path}; give the file of --audit-log")
        parts: list[_Part] = [(last, file, opened.enter_context(file.open("rb"))) for last, file in older]
        try:
            return _verified(path, [*parts, *([(None, path, newest)] if newest is not None else [])], pinned)
        except AuditError:
            if newest is not None or (not path.exists() and older_files(path) == older):
                raise
    return None


_Part = tuple[int | None, Path, BinaryIO]
"""Number of the last entry, where the name of the file says it; path; open file."""


@contextmanager
def _newest(path: Path) -> Iterator[BinaryIO | None]:
    """The file that is written at the moment, locked; None where it was just set aside."""
    with ExitStack() as opened:
        file: BinaryIO | None = None
        with suppress(FileNotFoundError):
            descriptor = opened.enter_context(locked(path, fcntl.LOCK_SH, create=False))
            file = opened.enter_context(os.fdopen(os.dup(descriptor), "rb"))
        yield file


def _verified(path: Path, parts: list[_Part], pinned: tuple[int, str] | None) -> Verified:
    noted = read_head(path)
    known = {noted.entries: noted}
    found, torn = _start(parts[0][2], pinned), b""
    for last, file, opened in parts:
        found, torn = _read_part(file, opened, found, known, pinned)
        if last is not None and (torn or found.entries != last):
            raise AuditError(
                f"{file} ends with entry {found.entries}: its end was removed or changed; {AGAIN}"
            )
    least = max(noted.entries, pinned[0] if pinned else 0)
    if found.entries < least:
        raise AuditError(
            f"{path} has {found.entries} entries, its head {least}: the last {least - found.entries} were removed;"
            f" {AGAIN}"
        )
    behind = found.entries - noted.entries
    notes = [f"a killed writer did not note the last {behind} in the head"] if behind else []
    notes += [f"{len(torn)} bytes at the end are a torn line, which the next writer cuts off"] if torn else []
    return Verified(found.entries, f"{found.entries}:{found.sha256}", tuple(notes))


def _start(opened: BinaryIO, pinned: tuple[int, str] | None) -> Head:
    """What the first line follows: nothing, or the given head where all files before it were moved elsewhere."""
    line = opened.readline(MOST_LINE_BYTES)
    opened.seek(0)
    with suppress(ValidationError):
        if pinned is not None and line and Entry.model_validate_json(line).number == pinned[0] + 1:
            return Head(entries=pinned[0], sha256=pinned[1])
    return Head()


def _read_part(
    path: Path, opened: BinaryIO, found: Head, known: dict[int, Head], pinned: tuple[int, str] | None
) -> tuple[Head, bytes]:
    """The head after a file, and the torn line at its end."""
    first, found = found.entries + 1, found.model_copy(update={"size_bytes": 0})
    while line := opened.readline(MOST_LINE_BYTES):
        if not line.endswith(b"\n"):
            return found, line
        check_line(path, line, found, first)
        found = found.after(line.removesuffix(b"\n"))
        at = found.entries - first + 1
        if known.get(found.entries, found).sha256 != found.sha256:
            raise AuditError(f"line {at} of {path} has changed: the head names another; {AGAIN}")
        if known.get(found.entries, found) != found:
            raise AuditError(f"the head of {path} has changed: it has another size up to line {at}; {AGAIN}")
        if pinned is not None and found.entries == pinned[0] and found.sha256 != pinned[1]:
            raise AuditError(
                f"line {at} of {path} is not the one of the given head: the log is another; {AGAIN}"
            )
    return found, b""


def _parse_pin(head: str | None) -> tuple[int, str] | None:
    if head is None:
        return None
    number, _, digest = head.partition(":")
    try:
        pinned = Head(entries=int(number), sha256=digest)
    except ValueError:
        raise UsageError(
            f"the head was given as {head[:80]!r}; expected is NUMBER:HASH, as 'litho audit verify' prints it"
        ) from None
    return pinned.entries, pinned.sha256
