from pathlib import Path

import pytest

from litho.errors import UsageError
from litho.serving.gateway.protection.key_check import KeyCheck
from litho.serving.gateway.protection.keys import KeyFile


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


def test_each_valid_key_is_found_and_nothing_else(file: KeyFile) -> None:
    made = [file.create(str(number)) for number in range(5)]
    check = KeyCheck(file)
    assert [check.find(key.encode()) for key, _ in made] == [record for _, record in made]
    right = made[2][0]
    wrong = (right[:-1], right + "A", right.upper(), right[:-1] + "~", f" {right}", "", "x" * 100_000)
    assert [check.find(one.encode()) for one in wrong] == [None] * len(wrong)
    assert check.find(made[0][1].sha256.encode()) is None
    assert check.find(b"\xff\x00") is None


def test_a_change_of_the_file_counts_at_once(file: KeyFile) -> None:
    first, record = file.create()
    check = KeyCheck(file)
    second, _ = file.create()
    assert check.find(second.encode()) is None
    check.refresh()
    assert check.find(second.encode()) is not None
    file.revoke(record.id)
    check.refresh()
    assert check.find(first.encode()) is None
    assert check.find(second.encode()) is not None


def test_without_a_usable_file_no_key_is_valid_until_there_is_one_again(file: KeyFile) -> None:
    with pytest.raises(UsageError, match="there is no file of keys"):
        KeyCheck(file)
    key, _ = file.create()
    check = KeyCheck(file)
    content = file.path.read_bytes()
    file.path.write_text("broken")
    check.refresh()
    assert check.find(key.encode()) is None
    assert "is not a file of keys" in check.problem
    file.path.unlink()
    check.refresh()
    assert check.find(key.encode()) is None
    assert "there is no file of keys" in check.problem
    file.path.write_bytes(content)
    check.refresh()
    assert check.find(key.encode()) is not None
    assert check.problem == ""


def test_a_link_to_the_file_of_a_secret_store_is_followed(file: KeyFile, tmp_path: Path) -> None:
    # Kubernetes mounts a secret as a link, and swaps what it leads to.
    old, new = KeyFile(tmp_path / "old.json"), KeyFile(tmp_path / "new.json")
    first, _ = old.create()
    second, _ = new.create()
    file.path.symlink_to(old.path)
    check = KeyCheck(file)
    assert check.find(first.encode()) is not None
    file.path.unlink()
    file.path.symlink_to(new.path)
    check.refresh()
    assert check.find(first.encode()) is None
    assert check.find(second.encode()) is not None
