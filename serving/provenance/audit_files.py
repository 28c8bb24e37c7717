"""The files of an audit log that is set aside when it is large: one chain goes through all of them.

    audit.jsonl.000000040000    entries 1 to 40,000
    audit.jsonl.000000080000    entries 40,001 to 80,000
    audit.jsonl                 what came later

To set a file aside is one rename, after the head was written: whoever is killed before or after it leaves a whole log.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["is_set_aside", "older_files", "set_aside"]

_DIGITS = 12


def older_files(path: Path) -> list[tuple[int, Path]]:
    """Number of the last entry and file of each part that was set aside, in order.

    Args:
        path: of the log.
    """
    form = re.compile(rf"{re.escape(path.name)}\.(\d{{{_DIGITS}}})")
    found = (
        [(form.fullmatch(file.name), file) for file in path.parent.iterdir()] if path.parent.is_dir() else []
    )
    return sorted((int(match[1]), file) for match, file in found if match is not None)


def is_set_aside(path: Path, entries: int) -> bool:
    """Whether a part ends with this entry.

    Args:
        path: of the log.
        entries: number of the entry.
    """
    return _older(path, entries).is_file()


def set_aside(path: Path, entries: int) -> None:
    """Give the file the name of an older part; the next writer makes a new one.

    Args:
        path: of the log, whose lock the caller holds.
        entries: number of its last entry.

    Raises:
        OSError: it cannot be renamed.
    """
    path.rename(_older(path, entries))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _older(path: Path, entries: int) -> Path:
    return path.with_name(f"{path.name}.{entries:0{_DIGITS}d}")
