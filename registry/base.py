"""What the three kinds of registries have in common: how an upload is found, read and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import IntegrityError, RegistryError
from ..reporting.progress import Progress
from .packing import Upload

__all__ = [
    "CHUNK_BYTES",
    "PIECE_BYTES",
    "Held",
    "LostConnection",
    "Pushed",
    "Registry",
    "Remote",
    "after",
    "cut_short",
    "unfinished",
]

CHUNK_BYTES = 1 << 20

PIECE_BYTES = 1 << 16
"""Read at once from a network: what is less than a piece when a connection is lost is lost with it."""


class LostConnection(Exception):
    """A transfer ended before all was sent; what has arrived is good, and the rest may be asked for."""


@dataclass(frozen=True)
class Held:
    """What a registry says of a file that it holds, before anything of it is read.

    Args:
        size_bytes: of the file.
        sha256: 64 hexadecimal digits; None if this registry does not know them.
        key: by which the registry finds it.
    """

    size_bytes: int
    sha256: str | None = None
    key: str = ""


class Remote(Protocol):
    """One finished upload."""

    @property
    def address(self) -> str:
        """The address that names it for ever: with a commit or a digest."""
        ...

    @property
    def files(self) -> Mapping[str, Held]:
        """Path -> what the registry says of it."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...

    def stream(self, path: str, start: int) -> Iterator[bytes]:
        """The content of a listed file from byte `start` on, in pieces; perhaps more than the file has.

        Raises:
            LostConnection: it ended too early.
            RegistryError: the registry refuses it.
        """
        ...


@dataclass(frozen=True)
class Pushed:
    """The outcome of an upload.

    Args:
        address: that names it for ever: with a commit or a digest.
        sent_bytes: that went to the registry.
        present_bytes: that it had already.
        signed: whether a digital signature went with it.
        notes: what the user should know.
    """

    address: str
    sent_bytes: int
    present_bytes: int
    signed: bool = False
    notes: tuple[str, ...] = ()


class Registry(Protocol):
    """Where uploads are."""

    def open(self) -> Remote:
        """The upload that the address names.

        Raises:
            RegistryError: there is none, it is not finished, or the registry cannot be reached or refuses.
        """
        ...

    def push(self, uploads: Sequence[Upload], title: str, progress: Progress) -> Pushed:
        """Write an upload: a reader sees the one before, or all of this one.

        Raises:
            RegistryError: the registry cannot be reached or refuses.
        """
        ...


def after(pieces: Iterable[bytes], skip: int) -> Iterator[bytes]:
    """Pieces without their first `skip` bytes: what comes from a server that knows no ranges and begins anew."""
    for piece in pieces:
        if rest := piece[skip:]:
            yield rest
        skip = max(0, skip - len(piece))


def cut_short(address: object, path: str, size_bytes: int) -> IntegrityError:
    """The error for a file that ends before the size that was said, which a range behind its end shows."""
    return IntegrityError(
        f"{address}: {path} ends after {size_bytes} bytes, its package says more; it has changed: its maker pushes it"
        " again"
    )


def unfinished(address: object, path: str) -> RegistryError:
    """The error for an upload that lacks a file."""
    return RegistryError(f"{address} is a half-finished upload: it lacks {path}; its maker pushes it again")
