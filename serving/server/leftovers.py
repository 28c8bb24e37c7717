"""What servers leave on this machine, and its removal: shared memory and folders of the Python backend."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

__all__ = [
    "SHARED_MEMORY",
    "remove_empty_folders",
    "remove_shared_memory",
    "remove_stale_shared_memory",
]

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the kernel keeps POSIX shared memory
_BACKEND_FOLDERS = Path("/tmp")  # noqa: S108 - fixed in the Python backend, which ignores TMPDIR
_OWNER = re.compile(r"litho-(\d+)-\d+-")
"""Start of the name of what belongs to a server; the number is its owner's process id."""


def remove_empty_folders(since: float) -> None:
    """Remove the folder for packed environments, which a killed Python backend leaves behind.

    Litho packs no environment: its folder is empty, and a folder with files belongs to another program.
    """
    for folder in _BACKEND_FOLDERS.glob("python_env_??????"):
        with suppress(OSError):
            if folder.stat().st_mtime >= since:
                folder.rmdir()


def remove_shared_memory(prefix: str) -> None:
    """Remove shared memory whose name starts with a prefix."""
    for region in SHARED_MEMORY.glob(f"{prefix}*"):
        if region.is_dir():
            shutil.rmtree(region, ignore_errors=True)
        else:
            region.unlink(missing_ok=True)


def remove_stale_shared_memory() -> None:
    """Remove shared memory of servers whose owner was killed."""
    prefixes = {
        match[0]: match[1] for one in SHARED_MEMORY.glob("litho-*-*") if (match := _OWNER.match(one.name))
    }
    for prefix, owner in prefixes.items():
        if not Path(f"/proc/{owner}").exists():
            remove_shared_memory(prefix)
