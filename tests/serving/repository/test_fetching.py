"""Copies that were checked: what is copied, what is refused, and what the folder then holds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from litho.bundle.keys import PublicKey
from litho.errors import DeployError, IntegrityError, TrustError, UsageError
from litho.serving.repository.fetching import fetch
from litho.serving.repository.pins import pin_of
from litho.serving.repository.storage import writing

from ...signers import make_keys

if TYPE_CHECKING:
    from ..conftest import S3


@pytest.fixture
def models(repository: Path, tmp_path: Path) -> Path:
    """A copy of the repository, which a test may change."""
    return Path(shutil.copytree(repository, tmp_path / "models"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def test_the_copy_is_what_is_served(models: Path, tmp_path: Path) -> None:
    pin = pin_of(models, "tiny")
    (models / "tiny" / "7").mkdir()  # a version that is not served
    copy = tmp_path / "copy"
    assert fetch(str(models), copy, pins=[pin]) == (pin,)
    first = files_of(copy)
    assert first == files_of(models)
    assert not (copy / "tiny" / "7").exists()
    assert fetch(str(models), copy) == (pin,), "an init container may run again"
    assert files_of(copy) == first
    assert [path.name for path in copy.iterdir()] == ["tiny"]


def test_a_model_that_is_gone_is_removed(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "tiny", models / "other")
    fetch(str(models), tmp_path / "copy")
    shutil.rmtree(models / "other")
    fetch(str(models), tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["tiny"]


def test_a_changed_byte_is_named_and_the_copy_stays(models: Path, tmp_path: Path) -> None:
    fetch(str(models), tmp_path / "copy")
    before = files_of(tmp_path / "copy")
    graph = next((models / "tiny" / "1" / "bundle" / "graphs").iterdir())
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(DeployError, match=graph.name) as refused:
        fetch(str(models), tmp_path / "copy")
    assert str(models) in str(refused.value), "the path of the source, not of the temporary copy"
    assert files_of(tmp_path / "copy") == before


def test_a_missing_signature_and_another_version_are_refused(models: Path, tmp_path: Path) -> None:
    _, public = make_keys(tmp_path / "keys")
    with pytest.raises(TrustError, match="is not signed"):
        fetch(str(models), tmp_path / "copy", key=PublicKey.read(public))
    other = pin_of(models, "tiny").model_copy(update={"version": 3})
    with pytest.raises(TrustError, match="serves version 1 of tiny, and version 3 is pinned"):
        fetch(str(models), tmp_path / "copy", pins=[other])
    assert not (tmp_path / "copy").exists()


def test_a_link_is_refused(models: Path, tmp_path: Path) -> None:
    (models / "tiny" / "1" / "bundle" / "extra").symlink_to("/etc/passwd")
    with pytest.raises(IntegrityError, match="is not an ordinary file"):
        fetch(str(models), tmp_path / "copy")


def test_wrong_folders_are_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give that of a model repository"):
        fetch(str(tmp_path / "gone"), tmp_path / "copy")
    with pytest.raises(UsageError, match="lies in the repository"):
        fetch(str(models), models / "copy")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match=r"holds 'letter\.txt'"):
        fetch(str(models), tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DeployError, match="is not a model repository"):
        fetch(str(tmp_path / "empty"), tmp_path / "new" / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "mine", "models"]


def test_object_storage_is_fetched_the_same_way(models: Path, tmp_path: Path, s3: S3) -> None:
    url = s3.bucket()
    with writing(url, "tiny") as folder:
        shutil.copytree(models / "tiny", folder / "tiny")
    fetch(url, tmp_path / "copy", pins=[pin_of(models, "tiny")])
    assert files_of(tmp_path / "copy") == files_of(models)
