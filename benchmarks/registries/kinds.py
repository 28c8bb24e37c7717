"""The two kinds of registries that run on any machine, and where each has the content of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .server import RunningRegistry, running_registry

__all__ = ["Kind", "folder_kind", "oci_kind"]


class Kind(Protocol):
    """A registry whose files a test may touch."""

    def address(self, name: str) -> str:
        """Address of the upload called `name`."""
        ...

    def content(self, name: str, sha256: str) -> Path:
        """The file in which the registry has a content of an upload."""
        ...

    def received(self) -> int:
        """Bytes of contents that the registry has, those of unfinished uploads included."""
        ...


@dataclass(frozen=True)
class _Folder:
    root: Path

    def address(self, name: str) -> str:
        return f"file://{self.root}/me/{name}"

    def content(self, name: str, sha256: str) -> Path:
        return self.root / f"models--me--{name}" / "blobs" / sha256

    def received(self) -> int:
        return _size(self.root.glob("*/blobs/*"))


@dataclass(frozen=True)
class _Oci:
    running: RunningRegistry

    def address(self, name: str) -> str:
        return f"oci://{self.running.host}/me/{name}:v1"

    def content(self, name: str, sha256: str) -> Path:
        return self.running.blob(sha256)

    def received(self) -> int:
        return _size(self.running.data.rglob("data"))


@contextmanager
def folder_kind(folder: Path) -> Iterator[Kind]:
    """A folder in the layout of the hub client's cache."""
    yield _Folder(folder / "hub")


@contextmanager
def oci_kind(folder: Path) -> Iterator[Kind]:
    """A registry of the distribution's program.

    Raises:
        LithoError: it is not installed, or does not start.
    """
    with running_registry(folder / "registry") as running:
        yield _Oci(running)


def _size(files: Iterator[Path]) -> int:
    found = 0
    for file in files:
        try:
            found += file.stat().st_size
        except FileNotFoundError:
            continue  # renamed while they were counted
    return found
