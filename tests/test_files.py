import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from litho import files
from litho.errors import IntegrityError, LithoError, UsageError
from litho.files import (
    check_file,
    check_folder,
    check_parent,
    confined,
    locked,
    ordinary_file,
    remove_directory,
    remove_leftovers,
    sha256,
    write_bytes,
    write_directory,
    write_file,
)


def write_and_be_interrupted(folder: Path) -> None:
    (folder / "file").write_text("new")
    raise KeyboardInterrupt


@pytest.mark.parametrize("relative", ["", "/etc/passwd", "../x", "a/../../x", "a\\..\\x", "a\0b"])
def test_paths_that_leave_their_root_are_refused(tmp_path: Path, relative: str) -> None:
    with pytest.raises(IntegrityError, match="leaves"):
        confined(tmp_path, relative)


def test_a_folder_that_cannot_be_made_is_refused_and_none_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("absent")
    for path in (tmp_path, tmp_path / "new", tmp_path / "new" / "deeper"):
        check_folder(path, "--to")
    for path in ("file", "file/new", "link", "link/new"):
        with pytest.raises(UsageError, match=r"--to was given .* is not a folder; give another"):
            check_folder(tmp_path / path, "--to")
    with pytest.raises(UsageError, match="a name of more than 255 bytes; give a shorter one"):
        check_folder(tmp_path / ("x" * 256) / "new", "--to")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_cannot_be_written_is_refused_and_no_folder_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("file", "new", "new/deeper"):
        check_file(tmp_path / path, "--output")
    with pytest.raises(UsageError, match=r"--output was given .*, which is a folder; give a file in it"):
        check_file(tmp_path, "--output")
    with pytest.raises(UsageError, match=r"--output was given .*/file/new', but .*/file is not a folder"):
        check_file(tmp_path / "file" / "new", "--output")
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_put_in_place_is_named_itself_and_not_its_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--to was given .*/file/new', but .*/file is not a folder"):
        check_parent(tmp_path / "file" / "new", "--to")
    check_parent(tmp_path / "file", "--to")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    for path in (tmp_path, tmp_path / "new"):
        with pytest.raises(UsageError, match=r"--to was given .* nothing may be written to"):
            check_folder(path, "--to")


def test_only_ordinary_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x")
    assert ordinary_file(tmp_path, "folder/file").read_text() == "x"
    (tmp_path / "link").symlink_to("folder/file")
    (tmp_path / "folder_link").symlink_to("folder")
    os.link(tmp_path / "folder" / "file", tmp_path / "twin")
    for name, complaint in [
        ("link", "symbolic link"),
        ("folder_link/file", "symbolic link"),
        ("twin", "hard links"),
        ("folder/file", "hard links"),
        ("folder", "not an ordinary file"),
        ("absent", "missing"),
        ("twin/below", "missing"),
    ]:
        with pytest.raises(IntegrityError, match=complaint):
            ordinary_file(tmp_path, name)


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_bytes(target, "old")
    before = sha256(target)
    with pytest.raises(TypeError):
        write_bytes(target, 7)  # pyright: ignore[reportArgumentType]
    assert sha256(target) == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_directory_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with write_directory(target) as new:
        (new / "file").write_text("old")
    with pytest.raises(KeyboardInterrupt), write_directory(target) as new:
        write_and_be_interrupted(new)
    assert (target / "file").read_text() == "old"
    with write_directory(target) as new:
        (new / "other").write_text("new")
    assert [path.name for path in target.iterdir()] == ["other"]
    assert list(tmp_path.iterdir()) == [target]


def test_what_could_not_be_written_leaves_no_folder(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), write_directory(tmp_path / "a/b/new") as folder:
        write_and_be_interrupted(folder)
    with suppress(OSError):
        write_file(tmp_path / "a/b/file", lambda path: (path / "below").touch())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    program = (
        "import os, sys; from pathlib import Path; from litho.files import write_directory\n"
        "with write_directory(Path(sys.argv[1])) as new: (new / 'half').write_text('x'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(target)]).returncode == 9
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    with write_directory(target) as new:
        (new / "file").write_text("whole")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["folder", "[a] *?"])
def test_files_of_others_with_such_names_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / f".{name}.partial-backup").write_text("mine")
    (tmp_path / f".{name}.partial-new-999999999").write_text("of a process that is gone")
    with write_directory(tmp_path / name):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f".{name}.partial-backup"])
    remove_leftovers(tmp_path)
    assert (tmp_path / f".{name}.partial-backup").read_text() == "mine"


def test_a_directory_is_removed_and_so_is_what_a_killed_remover_left(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    program = (
        "import os, shutil, sys; from pathlib import Path; from litho import files\n"
        "files._flush = lambda path: os._exit(9)\n"
        "files.remove_directory(Path(sys.argv[1]))"
    )
    target.mkdir()
    (target / "file").write_text("x")
    assert subprocess.run([sys.executable, "-c", program, str(target)]).returncode == 9
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())
    target.mkdir()
    remove_directory(target)
    remove_directory(target)
    assert not list(tmp_path.iterdir())


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    refusal = LithoError("it is held")
    lock = tmp_path / "lock"
    with locked(lock, refusal), pytest.raises(LithoError, match="it is held"), locked(lock, refusal):
        pass
    with locked(lock, refusal):
        pass


def test_a_lock_leaves_no_file_and_no_folder(tmp_path: Path) -> None:
    with suppress(LithoError), locked(tmp_path / "new/models/.digits.lock", LithoError("it is held")):
        raise LithoError("what was under way failed")
    assert list(tmp_path.iterdir()) == []

    with locked(tmp_path / "new/models/.digits.lock", LithoError("it is held")):
        (tmp_path / "new/models/digits").touch()
    assert [path.name for path in (tmp_path / "new/models").iterdir()] == ["digits"]


def test_many_writers_hold_a_lock_in_turn(tmp_path: Path) -> None:
    """Each removes the file of the lock, which others have opened by then, and its folder, which others have made."""
    inside = tmp_path / "inside"

    def write(_: int) -> int:
        with suppress(LithoError), locked(tmp_path / "new/models/.lock", LithoError("it is held")):
            inside.touch(exist_ok=False)
            inside.unlink()
            return 1
        return 0

    with ThreadPoolExecutor(8) as writers:
        written = sum(writers.map(write, range(2000)))
    assert written > 0
    assert not [path for path in tmp_path.rglob("*") if not path.is_dir()]


def test_the_lock_of_a_link_to_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to("absent/lock")
    with pytest.raises(FileNotFoundError), locked(tmp_path / ".lock", LithoError("it is held")):
        pass


def test_a_full_disk_is_named_by_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        write_file(tmp_path / "new.bin", lambda _: Path("/dev/full").write_bytes(b"a" * 100))
    assert caught.value.filename == str(tmp_path / "new.bin")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", ["s3:/bucket/models", "s3://bucket/models", "hf:/me/digits"])
def test_a_url_is_no_folder(given: str) -> None:
    with pytest.raises(UsageError, match=r"--to was given .*a whole URL such as s3://BUCKET/PREFIX"):
        check_folder(Path(given), "--to")


def test_a_rename_is_followed_by_a_flush_of_the_parent_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A rename outlives a power cut once its directory is flushed, and must not outlive the content of what it names.
    events: list[tuple[str, str]] = []

    def record(event: str, path: Path) -> None:
        events.append((event, path.name.partition(".partial-")[0].lstrip(".")))

    def fsync(descriptor: int, call: Callable[[int], None] = os.fsync) -> None:
        record("flushed", Path(f"/proc/self/fd/{descriptor}").readlink())
        call(descriptor)

    def rename(source: Path, target: Path, call: Callable[[Path, Path], None] = os.replace) -> None:
        record("renamed to", target)
        call(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "replace", rename)
    write_bytes(tmp_path / "file", "content")
    assert events == [("flushed", "file"), ("renamed to", "file"), ("flushed", tmp_path.name)]
    exchange = files._exchange

    def exchanged(one: Path, other: Path) -> bool:
        record("exchanged with", other)
        return exchange(one, other)

    renamed = ("renamed to", "folder")
    for how, steps in (
        (exchanged, [renamed]),
        (exchanged, [("exchanged with", "folder")]),
        (lambda one, other: False, [renamed, renamed]),  # the old directory is moved aside
    ):
        events.clear()
        monkeypatch.setattr(files, "_exchange", how)
        with write_directory(tmp_path / "folder") as new:
            (new / "below").mkdir()
            (new / "below" / "file").write_text("content")
        flushed = [("flushed", "below"), ("flushed", "file"), ("flushed", "folder")]
        assert events == [*flushed, *steps, ("flushed", tmp_path.name)]
