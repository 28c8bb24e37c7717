"""Read and write files so that a reader sees the old content or the new, never a part; knows no content.

A writer fills a temporary path beside the target, flushes it to the disk (fsync), renames it over the target and
flushes the parent directory, so that the rename survives a power cut. The next writer of the same target removes
temporary paths that a killed process left behind.
"""

import atexit
import ctypes
import errno
import fcntl
import gc
import glob
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TextIO

from . import interrupts
from .errors import IntegrityError, LithoError, UsageError

__all__ = [
    "check_file",
    "check_folder",
    "confined",
    "locked",
    "ordinary_file",
    "read_text",
    "remove_directory",
    "remove_leftovers",
    "sha256",
    "write_bytes",
    "write_directory",
    "write_file",
]

_MARK = ".partial-"
_TRIES = 100
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_LONGEST_NAME = 255
"""Bytes of a file's name that the usual file systems take."""


def check_folder(path: Path, option: str) -> None:
    """Refuse a folder that cannot be written to or made, before the work whose result would be lost.

    Args:
        path: of the folder, which may be absent.
        option: by which it was given, for the message, such as "--to".

    Raises:
        UsageError: it is a URL, or part of one; something else lies there or above it, or nothing may be written
            there.
    """
    _check_folder(path, f"{option} was given {str(path)!r}")


def check_file(path: Path, option: str) -> None:
    """Refuse a file that cannot be written, before the work whose result would be lost.

    Args:
        path: of the file, which may be absent.
        option: by which it was given, for the message, such as "--output".

    Raises:
        UsageError: it is a folder, or nothing may be written beside it.
    """
    if path.is_dir():
        raise UsageError(f"{option} was given {str(path)!r}, which is a folder; give a file in it")
    check_parent(path, option)


def check_parent(path: Path, option: str) -> None:
    """Refuse a file or folder that cannot be put where it was asked for; what lies there already is not looked at.

    Args:
        path: of the file or folder, which may be absent.
        option: by which it was given, for the message, such as "--to".

    Raises:
        UsageError: something else lies above it, or nothing may be written beside it.
    """
    _check_folder(path.parent, f"{option} was given {str(path)!r}")


def _check_folder(path: Path, given: str) -> None:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise UsageError(
            f"{given}, which is no path; give a folder, or a whole URL such as s3://BUCKET/PREFIX where it is taken"
        )
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise UsageError(f"{given}, which has a name of more than {_LONGEST_NAME} bytes; give a shorter one")
    present = next(one for one in (path, *path.absolute().parents) if os.path.lexists(one))
    if not present.is_dir():
        raise UsageError(f"{given}, but {present} is not a folder; give another")
    if not os.access(present, os.W_OK | os.X_OK):
        raise UsageError(f"{given}, but nothing may be written to {present}; give another")


def confined(root: Path, relative: str) -> Path:
    """The path of `relative` inside `root`.

    Raises:
        IntegrityError: `relative` is absolute, empty, or climbs with "..".
    """
    pure = PurePosixPath(relative)
    if pure.is_absolute() or not pure.parts or ".." in pure.parts or "\\" in relative or "\0" in relative:
        raise IntegrityError(f"path {relative!r} leaves {root}; allowed are relative paths without '..'")
    return root.joinpath(*pure.parts)


def ordinary_file(root: Path, relative: str) -> Path:
    """The path of an ordinary file inside `root`: neither it nor a folder above it is a link, and it has one name.

    Raises:
        IntegrityError: the file is missing, a symbolic or hard link, not a file, or outside `root`.
    """
    path = confined(root, relative)
    for step in [*reversed(path.relative_to(root).parents[:-1]), path.relative_to(root)]:
        if (root / step).is_symlink():
            raise IntegrityError(f"{root / step} is a symbolic link; a bundle holds ordinary files only")
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise IntegrityError(f"{path} is missing; copy, pull or export the bundle again") from None
    if not stat.S_ISREG(status.st_mode):
        raise IntegrityError(f"{path} is not an ordinary file; copy, pull or export the bundle again")
    if status.st_nlink > 1:
        raise IntegrityError(
            f"{path} has {status.st_nlink} hard links and can change through another name; copy it with 'cp -r'"
        )
    return path


def read_text(path: Path, most_bytes: int) -> str:
    """The text of an ordinary file, in UTF-8.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not an ordinary file, is larger than `most_bytes`, or is not UTF-8; the message is one line.
    """
    # Opening a pipe would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not an ordinary file")
        if status.st_size > most_bytes:
            raise ValueError(f"it has {status.st_size} bytes, at most {most_bytes} are allowed")
        content = file.read(most_bytes)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text (byte {error.start})") from None


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path beside `path`, flush the file that it wrote and rename it to `path`."""
    with _none_left_empty(path.parent), _temporary(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        _flush(temporary)
        interrupts.check()
        temporary.replace(path)
        _flush(path.parent)


def write_bytes(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `path`, completely or not at all."""
    data = content.encode() if isinstance(content, str) else content
    write_file(path, lambda temporary: temporary.write_bytes(data))


@contextmanager
def write_directory(path: Path) -> Iterator[Path]:
    """Give the block a temporary directory beside `path`, which becomes `path` if the block ends without an error.

    A directory at `path` is replaced; on an error it stays unchanged, and the temporary one is removed with
    folders above it that were made.
    """
    with _none_left_empty(path.parent), _temporary(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        for entry in [*temporary.rglob("*"), temporary]:
            _flush(entry)
        interrupts.check()
        if not path.exists():
            temporary.rename(path)
        elif not _exchange(temporary, path):
            # rename(2) does not replace a directory with content: the old one is moved aside first.
            with _temporary(path, "old") as aside, interrupts.held():
                path.rename(aside)
                temporary.rename(path)
        _flush(path.parent)


def remove_directory(path: Path) -> None:
    """Remove a directory, if it is there: a reader sees all of it or nothing."""
    with _temporary(path, "old") as aside, suppress(FileNotFoundError):
        path.rename(aside)
        _flush(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary paths in a folder that killed processes left."""
    for leftover in folder.glob(f".*{_MARK}*"):
        if _left_over(leftover):
            _remove(leftover)


@contextmanager
def locked(path: Path, refusal: LithoError) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` while the block runs.

    The file, and folders above it, are made if they are absent. At the end the file is removed, and folders that were
    made and are still empty. The lock ends with the process, however the process ends. If another process holds it,
    `refusal` is raised.
    """
    with _none_left_empty(path.parent):
        file, tries = None, 1
        while file is None:
            try:
                file = _lock(path, refusal)
            except (FileNotFoundError, FileExistsError):
                # Another holder removes the folder that was just made or found here.
                if tries == _TRIES:
                    raise
                tries += 1
        with file:
            try:
                yield
            finally:
                with suppress(OSError):
                    path.unlink()


@contextmanager
def _none_left_empty(folder: Path) -> Iterator[None]:
    """Remove at the end, of a folder and those above it, the ones that were made in the block and are empty."""
    absent = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        yield
    finally:
        for one in absent:
            with suppress(OSError):
                one.rmdir()


def _lock(path: Path, refusal: LithoError) -> TextIO | None:
    """The locked file; None if its holder removed it after it was opened here."""
    with ExitStack() as opened:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = opened.enter_context(path.open("a"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        try:
            lies_there = os.path.samestat(os.fstat(file.fileno()), path.stat())
        except FileNotFoundError:
            lies_there = False
        if lies_there:
            opened.pop_all()
            return file
    return None


@contextmanager
def _temporary(path: Path, purpose: str = "new") -> Iterator[Path]:
    prefix = f".{path.name}{_MARK}"
    for leftover in path.parent.glob(f"{glob.escape(prefix)}*"):
        if _left_over(leftover):
            _remove(leftover)
    temporary = path.with_name(f"{prefix}{purpose}-{os.getpid()}")
    _remove(temporary)
    try:
        yield temporary
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            error.filename = str(path)  # writing to an open file names none
        raise
    finally:
        try:
            _remove(temporary)
        except (OSError, MemoryError, KeyboardInterrupt):
            # Without memory not even a directory can be listed: try again when everything else is freed. So it is
            # after a second Ctrl-C.
            atexit.register(_remove_late, temporary)
            raise


def _remove_late(path: Path) -> None:
    gc.collect()
    shutil.rmtree(path, ignore_errors=True)


def _left_over(path: Path) -> bool:
    """Whether a path is a temporary one whose process has ended; somebody else's file with such a name is none."""
    process_id = path.name.rpartition("-")[2]
    return process_id.isdecimal() and not Path(f"/proc/{process_id}").exists()


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step; False where the file system cannot do that."""
    try:
        exchange = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    names = (os.fsencode(path.absolute()) for path in (one, other))
    return exchange(_HERE, next(names), _HERE, next(names), _EXCHANGE) == 0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
