"""Files from a registry into a folder beside the target: capped by the package, continued, compared, put in place.

.NAME.pull-<digest>/       beside the target NAME, of the package with this digest
    content/               files that are complete, each compared with its SHA-256
    partial/<sha256>       files that are not; the next attempt asks for the rest
    lock
"""

from __future__ import annotations

import glob
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..bundle.manifest import FileRecord
from ..errors import BundleError, IntegrityError, RegistryError
from ..files import confined, locked, sha256, write_directory
from ..reporting import human_bytes
from .base import LostConnection, Remote, unfinished

__all__ = ["Staging", "install", "read_small", "staging"]

_TRIES = 5
"""How often a file is asked for anew after a lost connection, if nothing more of it arrives in between."""


class Staging:
    """The folder that a pull fills.

    Args:
        folder: of the attempt.
        remote: the upload.
    """

    def __init__(self, folder: Path, remote: Remote) -> None:
        self._folder, self._remote = folder, remote
        self.content = folder / "content"

    def missing(self, files: dict[str, FileRecord]) -> dict[str, FileRecord]:
        """The files that an earlier attempt did not complete."""
        return {
            path: record for path, record in files.items() if not _is(confined(self.content, path), record)
        }

    def write(self, path: str, content: bytes) -> None:
        """Write a file that was read whole."""
        target = confined(self.content, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def fetch(self, path: str, record: FileRecord, report: Callable[[int], object]) -> int:
        """Get one file.

        Args:
            path: in the upload.
            record: what it must be.
            report: called with the bytes of it that are here.

        Returns:
            The bytes that came over the network.

        Raises:
            IntegrityError: it is another file, or a longer one.
            RegistryError: the registry refuses, or the connection is lost again and again.
        """
        target = confined(self.content, path)
        if _is(target, record):
            return 0
        partial = self._folder / "partial" / record.sha256
        partial.parent.mkdir(parents=True, exist_ok=True)
        received = self._receive(path, record, partial, report)
        if sha256(partial) != record.sha256:
            partial.unlink()
            raise IntegrityError(
                f"{self._remote.address}: {path} has changed: its SHA-256 is not the one in the package; do not use it"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(target)
        return received

    def _receive(self, path: str, record: FileRecord, partial: Path, report: Callable[[int], object]) -> int:
        received, idle = 0, 0
        have = partial.stat().st_size if partial.is_file() else 0
        with partial.open("ab") as file:
            while have < record.size_bytes:
                before = have
                try:
                    for chunk in self._remote.stream(path, have):
                        received += len(chunk)
                        have += len(chunk)
                        if have > record.size_bytes:
                            raise IntegrityError(
                                f"{self._remote.address}: {path} has more than the {record.size_bytes} bytes that the"
                                " package says; do not use it"
                            )
                        file.write(chunk)
                        report(have)
                    reason = "the answer ended"
                except LostConnection as error:
                    reason = str(error)
                idle = 0 if have > before else idle + 1
                if idle >= _TRIES:
                    raise RegistryError(
                        f"the connection to {self._remote.address} was lost in {path} after {human_bytes(have)}"
                        f" ({reason}); run the same command again, it continues"
                    )
        if have > record.size_bytes:
            partial.unlink()  # of an attempt that was stopped while it was refused
        return received


@contextmanager
def staging(target: Path, remote: Remote, package_sha256: str, size_bytes: int) -> Iterator[Staging]:
    """Give the block a folder to fill; what was completed stays for the next attempt, unless the upload is refused.

    Args:
        target: where the whole goes in the end.
        remote: the upload.
        package_sha256: of its package.
        size_bytes: of its files together.

    Raises:
        RegistryError: the disk has no space for it, or another process pulls the same.
    """
    folder = target.with_name(f".{target.name}.pull-{package_sha256[:16]}")
    refusal = RegistryError(f"another process pulls {remote.address} to {target}; wait until it ends")
    with locked(folder / "lock", refusal):
        _check_space(folder, size_bytes)
        (folder / "content").mkdir(exist_ok=True)
        try:
            yield Staging(folder, remote)
        except BundleError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder)
    for other in target.parent.glob(f".{glob.escape(target.name)}.pull-*"):
        _remove_abandoned(other)


def install(staged: Staging, target: Path) -> None:
    """Make the folder that was filled the target; a folder at the target is replaced in the same moment."""
    with write_directory(target) as temporary:
        staged.content.rename(temporary)  # rename(2) replaces an empty directory


def read_small(remote: Remote, path: str, most_bytes: int) -> bytes:
    """The content of a small file, compared with nothing.

    Raises:
        RegistryError: it is not there, is larger, or the connection is lost.
    """
    held = remote.files.get(path)
    if held is None:
        raise unfinished(remote.address, path)
    content = b""
    if held.size_bytes <= most_bytes:
        try:
            for chunk in remote.stream(path, 0):
                content += chunk
                if len(content) > most_bytes:
                    break
        except LostConnection as error:
            raise RegistryError(
                f"the connection to {remote.address} was lost in {path} ({error}); try again"
            ) from None
    if max(held.size_bytes, len(content)) > most_bytes:
        raise RegistryError(f"{remote.address}: {path} has more than {most_bytes} bytes; it is none of litho")
    return content


def _is(path: Path, record: FileRecord) -> bool:
    """Whether a file is complete."""
    return path.is_file() and path.stat().st_size == record.size_bytes and sha256(path) == record.sha256


def _check_space(folder: Path, size_bytes: int) -> None:
    here = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    if size_bytes - here > free:
        raise RegistryError(
            f"the upload has {human_bytes(size_bytes)}, and {folder.parent} has {human_bytes(free)} free; free space,"
            " or give another disk with --to"
        )


def _remove_abandoned(folder: Path) -> None:
    """Remove the folder of an attempt that nobody continues."""
    with suppress(OSError, RegistryError), locked(folder / "lock", RegistryError("in use")):
        shutil.rmtree(folder)
