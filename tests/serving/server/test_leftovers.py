import os
import subprocess
import sys
from pathlib import Path

import pytest

from litho.serving.server.leftovers import (
    SHARED_MEMORY,
    remove_empty_folders,
    remove_shared_memory,
    remove_stale_shared_memory,
)


@pytest.mark.alone
def test_what_a_killed_owner_left_is_removed_and_what_others_have_is_not() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stale, folder = SHARED_MEMORY / f"litho-{gone.pid}-0-0123", SHARED_MEMORY / f"litho-{gone.pid}-0-state"
    own = SHARED_MEMORY / f"litho-{os.getpid()}-99-0123"
    foreign = SHARED_MEMORY / "litho-of-somebody-else"
    for file in (stale, own, foreign):
        file.write_bytes(b"")
    folder.mkdir()
    (folder / "drain").touch()
    try:
        remove_stale_shared_memory()
        assert not stale.exists()
        assert not folder.exists()
        assert own.exists()
        assert foreign.exists()
        remove_shared_memory(f"litho-{os.getpid()}-99-")
        assert not own.exists()
    finally:
        own.unlink(missing_ok=True)
        foreign.unlink()


@pytest.mark.alone
def test_only_empty_folders_of_this_server_are_removed() -> None:
    empty, full = Path("/tmp/python_env_aaaaaa"), Path("/tmp/python_env_bbbbbb")
    empty.mkdir()
    full.mkdir()
    (full / "file").touch()
    try:
        remove_empty_folders(empty.stat().st_mtime + 10)
        assert empty.exists()
        remove_empty_folders(empty.stat().st_mtime)
        assert not empty.exists()
        assert full.exists()
    finally:
        (full / "file").unlink()
        full.rmdir()
        if empty.exists():
            empty.rmdir()
