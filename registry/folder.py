"""A folder in the layout of the hub client's cache, which the client reads too.

    FOLDER/models--OWNER--NAME/
        blobs/<sha256>                 contents
        snapshots/<commit>/<path>      links to them
        refs/<revision>                the commit of a branch or tag, written last

`HF_HUB_CACHE=FOLDER HF_HUB_OFFLINE=1` makes every program that uses the hub's client read such a folder, and a cache
that the client has filled can be pulled from.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ..errors import IntegrityError, RegistryError
from ..files import confined, locked, sha256, write_bytes, write_directory, write_file
from ..reporting.progress import Progress
from .address import FolderAddress
from .base import CHUNK_BYTES, Held, Pushed
from .packing import Upload

__all__ = ["Folder"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_BLOBS, _SNAPSHOTS, _REFS, _LOCK = "blobs", "snapshots", "refs", ".lock"
_REF_BYTES = 256


class Folder:
    """A model repository in a folder.

    Args:
        address: of the repository.
    """

    def __init__(self, address: FolderAddress) -> None:
        self._address, self._root = address, address.folder

    def open(self) -> _Snapshot:
        """The upload that the address names.

        Raises:
            RegistryError: there is none, or it is not finished.
        """
        if not self._root.is_dir():
            raise RegistryError(
                f"{self._address} does not exist: there is no {self._root}; check owner, name and folder"
            )
        commit = self._commit()
        snapshot = self._root / _SNAPSHOTS / commit
        if not snapshot.is_dir():
            raise RegistryError(
                f"{self._address} is a half-finished upload: it lacks {snapshot}; its maker pushes it again"
            )
        pinned = FolderAddress(self._address.root, self._address.owner, self._address.name, commit)
        return _Snapshot(str(pinned), self._root, snapshot)

    def _commit(self) -> str:
        revision = self._address.revision
        ref = confined(self._root / _REFS, revision)
        if ref.is_file():
            with ref.open("rb") as file:
                text = file.read(_REF_BYTES).decode("ascii", "replace").strip()
            if _COMMIT.fullmatch(text) is None:
                raise RegistryError(f"{ref} does not hold a commit: 40 hexadecimal digits; push again")
            return text
        if _COMMIT.fullmatch(revision):
            return revision
        held = self._root / _REFS
        known = sorted(path.relative_to(held).as_posix() for path in held.rglob("*") if path.is_file())
        if not known:
            raise RegistryError(
                f"{self._address} is a half-finished upload: it lacks {held / revision}; its maker pushes it again"
            )
        raise RegistryError(f"{self._address} has no revision {revision!r} (known: {', '.join(known)})")

    def push(self, uploads: Sequence[Upload], title: str, progress: Progress) -> Pushed:
        """Write contents, then the snapshot, then the name of the revision; what is there already is not written.

        Raises:
            RegistryError: another process writes the repository.
        """
        refusal = RegistryError(f"another process writes {self._root}; wait until it ends")
        with locked(self._root / _LOCK, refusal):
            sent = present = 0
            total = sum(upload.record.size_bytes for upload in uploads) or 1
            for upload in uploads:
                progress(f"writing {upload.path}", (sent + present) / total)
                if self._write_blob(upload):
                    sent += upload.record.size_bytes
                else:
                    present += upload.record.size_bytes
            commit = self._write_snapshot(uploads)
            write_bytes(confined(self._root / _REFS, self._address.revision), commit)
        pinned = FolderAddress(self._address.root, self._address.owner, self._address.name, commit)
        return Pushed(str(pinned), sent, present)

    def _write_blob(self, upload: Upload) -> bool:
        """Write a content, unless it is there; a blob that is cut short or was changed is written again."""
        blob = self._root / _BLOBS / upload.record.sha256
        if blob.is_file() and sha256(blob) == upload.record.sha256:
            return False

        def write(temporary: Path) -> None:
            digest = hashlib.sha256()
            with upload.open() as source, temporary.open("wb") as target:
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    target.write(chunk)
            if digest.hexdigest() != upload.record.sha256:
                raise IntegrityError(f"{upload.path} changed while it was being pushed; push again")

        write_file(blob, write)
        return True

    def _write_snapshot(self, uploads: Sequence[Upload]) -> str:
        """Write the links of an upload; the same files give the same commit."""
        listing = "".join(f"{upload.record.sha256} {upload.path}\n" for upload in sorted(uploads, key=_path))
        # As git does, and it protects nothing: every file is compared with its SHA-256.
        commit = hashlib.sha1(listing.encode(), usedforsecurity=False).hexdigest()
        with write_directory(self._root / _SNAPSHOTS / commit) as temporary:
            for upload in uploads:
                link = confined(temporary, upload.path)
                link.parent.mkdir(parents=True, exist_ok=True)
                up = "../" * (2 + len(PurePosixPath(upload.path).parts) - 1)
                link.symlink_to(f"{up}{_BLOBS}/{upload.record.sha256}")
        return commit


def _path(upload: Upload) -> str:
    return upload.path


class _Snapshot:
    """One commit in a folder."""

    def __init__(self, address: str, root: Path, snapshot: Path) -> None:
        self.address, self._blobs, self._snapshot = address, (root / _BLOBS).resolve(), snapshot
        self.files = dict(self._listed())

    def _listed(self) -> Iterator[tuple[str, Held]]:
        for directory, _, names in os.walk(self._snapshot):  # links to folders are not followed
            for name in names:
                path = Path(directory, name)
                target = self._content(path)
                if target is not None:
                    yield (
                        path.relative_to(self._snapshot).as_posix(),
                        Held(target.stat().st_size, key=str(target)),
                    )

    def _content(self, path: Path) -> Path | None:
        """The file that holds a content: the blob that a link leads to, or the file itself; None if it is absent.

        Raises:
            IntegrityError: a link leads elsewhere.
        """
        if not path.is_symlink():
            return path if path.is_file() else None
        target = path.resolve()
        if target.parent != self._blobs:
            raise IntegrityError(f"{path} is a link that leaves {self._blobs}; do not use this folder")
        return target if target.is_file() else None

    def close(self) -> None:
        """Nothing stays open."""

    def stream(self, path: str, start: int) -> Iterator[bytes]:
        """The content of a listed file from byte `start` on."""
        # Opening a pipe that was put in its position would wait for its writer.
        descriptor = os.open(self.files[path].key, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise IntegrityError(f"{self.address}: {path} is not an ordinary file")
            file.seek(start)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
