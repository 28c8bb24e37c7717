"""Files from a registry: capped, continued, compared, put in place."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from litho.bundle.manifest import FileRecord
from litho.errors import IntegrityError, RegistryError
from litho.registry.base import Held, LostConnection
from litho.registry.transfer import install, read_small, staging

CONTENT = bytes(range(250)) * 40


class Scripted:
    """An upload of one file, which the registry sends as a list says: pieces, or an error in place of one."""

    address = "hf://me/tiny@0"

    def __init__(self, *answers: list[bytes | Exception]) -> None:
        self.files = {"a/file": Held(len(CONTENT))}
        self.answers = list(answers)
        self.asked: list[int] = []

    def close(self) -> None:
        pass

    def stream(self, path: str, start: int) -> Iterator[bytes]:
        self.asked.append(start)
        for piece in self.answers.pop(0):
            if isinstance(piece, Exception):
                raise piece
            yield piece


RECORD = FileRecord.of(CONTENT)
LOST = LostConnection("reset")


def fetch(target: Path, remote: Scripted, size_bytes: int = len(CONTENT)) -> int:
    with staging(target, remote, "5" * 64, size_bytes) as staged:
        received = staged.fetch("a/file", RECORD, lambda have: None)
        install(staged, target)
    return received


def test_a_file_is_put_together_from_what_arrives(tmp_path: Path) -> None:
    remote = Scripted([CONTENT[:10], LOST], [CONTENT[10:6000]], [LOST], [CONTENT[6000:]])
    assert fetch(tmp_path / "there", remote) == len(CONTENT)
    assert remote.asked == [0, 10, 6000, 6000]
    assert (tmp_path / "there/a/file").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_connection_that_brings_nothing_ends_it_and_the_next_attempt_continues(tmp_path: Path) -> None:
    first = Scripted([CONTENT[:100]], *([LOST] for _ in range(5)))
    with pytest.raises(
        RegistryError, match=r"lost in a/file after 100 B \(reset\); run the same command again"
    ):
        fetch(tmp_path / "there", first)
    second = Scripted([CONTENT[100:]])
    assert fetch(tmp_path / "there", second) == len(CONTENT) - 100
    assert second.asked == [100]


@pytest.mark.parametrize("more", [[b"x"], [CONTENT] * 1000])
def test_what_is_longer_than_said_is_cut(tmp_path: Path, more: list[bytes]) -> None:
    remote = Scripted([CONTENT, *more])
    with pytest.raises(IntegrityError, match=r"a/file has more than the 10000 bytes that the package says"):
        fetch(tmp_path / "there", remote)
    assert not list(tmp_path.iterdir())


def test_a_changed_byte_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"hf://me/tiny@0: a/file has changed"):
        fetch(tmp_path / "there", Scripted([CONTENT[:-1] + b"?"]))
    assert not list(tmp_path.iterdir())


def test_bytes_that_an_earlier_attempt_left_are_compared_too(tmp_path: Path) -> None:
    with pytest.raises(RegistryError):
        fetch(tmp_path / "there", Scripted([CONTENT[:100]], *([LOST] for _ in range(5))))
    (partial,) = tmp_path.glob(".there.pull-*/partial/*")
    partial.write_bytes(b"?" * 100)
    with pytest.raises(IntegrityError, match="a/file has changed"):
        fetch(tmp_path / "there", Scripted([CONTENT[100:]]))
    assert fetch(tmp_path / "there", Scripted([CONTENT])) == len(CONTENT)


def test_what_abandoned_attempts_left_is_removed(tmp_path: Path) -> None:
    with pytest.raises(RegistryError), staging(tmp_path / "there", Scripted(), "6" * 64, 1):
        raise RegistryError("gone")
    assert len(list(tmp_path.iterdir())) == 1
    fetch(tmp_path / "there", Scripted([CONTENT]))
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_two_pulls_of_the_same_do_not_meet(tmp_path: Path) -> None:
    with (
        staging(tmp_path / "there", Scripted(), "5" * 64, 1),
        pytest.raises(RegistryError, match=r"another process pulls hf://me/tiny@0 to .*there; wait"),
    ):
        fetch(tmp_path / "there", Scripted([CONTENT]))


def test_a_disk_without_space_is_said_before_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(
        RegistryError, match=r"the upload has .* GiB, and .* has .* free; free space, or give another"
    ):
        fetch(tmp_path / "models" / "there", Scripted(), size_bytes=1 << 60)
    assert list(tmp_path.iterdir()) == []


def test_an_older_folder_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "old").write_text("x")
    fetch(tmp_path / "there", Scripted([CONTENT]))
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["a"]


def test_a_small_file_is_small() -> None:
    assert read_small(Scripted([CONTENT]), "a/file", len(CONTENT)) == CONTENT
    with pytest.raises(RegistryError, match="a/file has more than 100 bytes"):
        read_small(Scripted([CONTENT]), "a/file", 100)
    liar = Scripted([b"x" * 60] * 1000)
    liar.files = {"a/file": Held(3)}
    with pytest.raises(RegistryError, match="a/file has more than 100 bytes"):
        read_small(liar, "a/file", 100)
    with pytest.raises(RegistryError, match="half-finished upload: it lacks other"):
        read_small(Scripted(), "other", 100)
    with pytest.raises(RegistryError, match=r"was lost in a/file \(reset\); try again"):
        read_small(Scripted([LOST]), "a/file", len(CONTENT))
