import errno
from pathlib import Path

import pytest

from litho.benchmarks.faults.storage import _files, _full, mount, unmount


def test_a_full_disk_takes_no_byte_and_is_emptied_again(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mount(disk, 1 << 20)
    except OSError as error:
        pytest.skip(str(error))
    try:
        with _full(disk), pytest.raises(OSError, match="No space left") as full:
            (disk / "file").write_bytes(b"1")
        assert full.value.errno == errno.ENOSPC
        assert (disk / "file").write_bytes(b"1") == 1
    finally:
        unmount(disk)


def test_hidden_files_do_not_count_as_left(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.pbtxt").write_text("name")
    assert _files(tmp_path) == {"tiny/config.pbtxt": 4}
