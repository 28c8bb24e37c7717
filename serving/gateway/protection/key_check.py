"""Which of a gateway's keys a request brings, in a time that says nothing about the answer."""

from __future__ import annotations

import hmac
from itertools import repeat

from ....errors import LithoError
from .keys import KeyFile, KeyRecord, digest_of

__all__ = ["KeyCheck"]

_NO_FILE = (0, 0, 0)


class KeyCheck:
    """Finds keys, and reads their file again when it changes.

    The SHA-256 of what was given is compared with that of every key, revoked ones too, in constant time and to the
    end: neither how much of a guess is right, nor whether it is the first key or the last one, changes the time.

    Args:
        file: with the keys.

    Attributes:
        problem: why the file cannot be used, one line without its content; empty while it can.

    Raises:
        UsageError, SchemaError: the file cannot be used.
    """

    def __init__(self, file: KeyFile) -> None:
        self._file = file
        self._seen = _NO_FILE
        self._digests: tuple[bytes, ...] = ()
        self._answers: tuple[KeyRecord | None, ...] = (None,)
        self.problem = ""
        self._read(self._state())

    def refresh(self) -> None:
        """Read the file again if it changed; if it cannot be read any more, no key is valid (see `problem`)."""
        state = self._state()
        if state != self._seen:
            try:
                self._read(state)
            except LithoError as error:
                self._digests, self._answers = (), (None,)
                self._seen, self.problem = state, str(error)

    def find(self, given: bytes) -> KeyRecord | None:
        """The key that was given, if it is valid.

        Args:
            given: what a client sent, of any length.
        """
        digest = digest_of(given)
        # No branch: a match and its absence take the same steps.
        matches = bytes(map(hmac.compare_digest, self._digests, repeat(digest)))
        return self._answers[matches.find(1) + 1]

    def _read(self, state: tuple[int, int, int]) -> None:
        records = self._file.read()
        self._digests = tuple(bytes.fromhex(record.sha256) for record in records)
        self._answers = (None, *(record if record.revoked is None else None for record in records))
        self._seen, self.problem = state, ""

    def _state(self) -> tuple[int, int, int]:
        # A new file is renamed over the old one: its number differs even within one tick of the clock.
        try:
            status = self._file.path.stat()
        except OSError:
            return _NO_FILE
        return status.st_ino, status.st_mtime_ns, status.st_size
