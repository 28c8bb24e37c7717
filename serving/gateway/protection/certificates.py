"""Certificates of a gateway that are renewed while it runs: for TLS, and for content credentials."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ...server.events import Event, Listener

__all__ = ["Certificates", "Renewable"]

Stamps = tuple[tuple[int, ...], ...]


class Renewable(Protocol):
    """A certificate and its key, in files.

    Attributes:
        files: both.
    """

    files: tuple[Path, Path]

    def load(self) -> datetime:
        """Use what the files hold now.

        Returns:
            When the certificate ends, in UTC.

        Raises:
            LithoError: they cannot be used; what they held before stays in use.
        """
        ...


@dataclass
class _Watched:
    pair: Renewable
    seen: Stamps
    end: datetime
    ended: bool = False
    unusable: bool = False


class Certificates:
    """Reads certificates again when their files change, so that a renewal needs no restart, and says when they end.

    Files that cannot be used, such as a certificate whose key is not written yet or that is not valid yet, leave the
    old ones in use, and are tried again at every look.

    Args:
        log: hears of renewals, of files that cannot be used, and of a certificate that has ended.
        read: called with use and end of each certificate that was read.
        seconds: between two looks.
        clock: gives the time in UTC.
    """

    def __init__(
        self,
        log: Listener,
        read: Callable[[str, datetime], object],
        seconds: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._log, self._read, self._seconds, self._clock = log, read, seconds, clock
        self._watched: dict[str, _Watched] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, use: str, pair: Renewable) -> None:
        """Watch the files of a certificate from now on.

        Args:
            use: "tls" or "content_credentials".
            pair: that was read.

        Raises:
            LithoError: its files cannot be used.
        """
        seen = _stamps(pair)
        self._watched[use] = _Watched(pair, seen, pair.load())
        self._read(use, self._watched[use].end)

    async def start(self) -> None:
        """Look at the files every so many seconds."""
        if self._watched:
            self._task = asyncio.create_task(self._keep_looking())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def refresh(self) -> None:
        """Look at the files once."""
        for use, watched in self._watched.items():
            changed = (stamps := _stamps(watched.pair)) != watched.seen
            if changed or watched.unusable:
                watched.seen = stamps
                self._load(use, watched, said=not changed)
            ended = watched.end < self._clock()
            if ended and not watched.ended:
                said = f"the certificate for {_NAMES[use]} has ended; renew its files, they are read by themselves"
                self._log(Event("certificate-ended", said, "error"))
            watched.ended = ended

    def _load(self, use: str, watched: _Watched, *, said: bool) -> None:
        try:
            watched.end = watched.pair.load()
        except Exception as error:  # whatever it is: the next look may find better files
            watched.unusable = True
            if not said:
                words = f"the renewed certificate for {_NAMES[use]} cannot be used, the old one stays"
                self._log(Event("certificate-unusable", words, "error", "", str(error)))
            return
        watched.unusable = False
        self._read(use, watched.end)
        words = f"a renewed certificate for {_NAMES[use]} is used, until {watched.end:%Y-%m-%d %H:%M} UTC"
        self._log(Event("certificate-renewed", words))

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.to_thread(self.refresh)
            await asyncio.sleep(self._seconds)


_NAMES = {"tls": "TLS", "content_credentials": "content credentials"}


def _stamps(pair: Renewable) -> Stamps:
    return tuple(map(_stamp, pair.files))


def _stamp(file: Path) -> tuple[int, ...]:
    # Renewals rename files, lead links elsewhere or write in place; the inode's time changes with permissions too.
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
