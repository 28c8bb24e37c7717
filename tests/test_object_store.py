"""Objects on a real S3 server and in memory: conditions, and errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from litho.errors import MissingExtra, StorageError, UsageError
from litho.object_store import Changed, ObjectStore

if TYPE_CHECKING:
    from .conftest import S3


def test_written_objects_are_read_and_listed(store: ObjectStore) -> None:
    assert store.listed() == []
    assert store.read("a/b") is None
    assert store.read_tagged("a/b") is None
    store.write("a/b", b"1")
    store.write("a/c/d", b"2")
    store.write("e", b"3")
    assert store.listed() == ["a/b", "a/c/d", "e"]
    assert store.listed("a/") == ["a/b", "a/c/d"]
    assert store.read("a/c/d") == b"2"
    store.delete("a/b", "absent")
    assert store.listed() == ["a/c/d", "e"]


def test_parts_of_an_object_are_read_by_their_bytes(store: ObjectStore) -> None:
    store.write("a/b", b"0123456789")
    assert store.read("a/b", 2, 5) == b"234"
    with store.opened("a/b") as file:
        file.seek(7)
        assert file.read() == b"789"
    assert store.read("absent", 0, 1) is None
    with pytest.raises(StorageError, match=r"^cannot read .*/absent: "), store.opened("absent"):
        pass


def test_an_object_that_is_written_again_has_another_tag(store: ObjectStore) -> None:
    assert store.listed_facts() == {}
    assert store.facts("b") is None
    store.write("b", b"1234")
    store.write("folder/c", b"1")
    before = store.facts("b")
    assert before is not None
    assert before.size == 4
    assert list(store.listed_facts()) == ["b", "folder/c"]
    assert store.listed_facts()["b"] == before
    store.write("b", b"1235")
    assert store.facts("b") != before
    assert store.facts("folder") is None, "a folder is no object"


def test_an_object_is_created_once(store: ObjectStore) -> None:
    store.create("one", b"1")
    with pytest.raises(Changed):
        store.create("one", b"2")
    assert store.read("one") == b"1"


def test_only_the_object_that_was_read_is_replaced(store: ObjectStore) -> None:
    store.write("one", b"1")
    found = store.read_tagged("one")
    assert found is not None
    store.write("one", b"another writer")
    with pytest.raises(Changed):
        store.replace("one", b"2", found[1])
    assert store.read("one") == b"another writer"
    now = store.read_tagged("one")
    assert now is not None
    store.replace("one", b"3", now[1])
    assert store.read("one") == b"3"
    store.delete("one")
    with pytest.raises(Changed):
        store.replace("one", b"4", now[1])


@pytest.fixture
def _fresh_clients(s3: S3) -> Iterator[None]:
    """A client remembers its address and credentials for as long as the process lives."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("_fresh_clients")
def test_wrong_credentials_and_a_missing_bucket_are_one_line(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    url = s3.bucket()
    with s3.authenticated():
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
        with pytest.raises(
            StorageError, match=r"^cannot write s3://.*/a: permission denied \(.*\); check the cred"
        ) as failed:
            ObjectStore(url).write("a", b"1")
        assert "\n" not in str(failed.value)
    with pytest.raises(StorageError, match=r"^cannot write s3://absent/a: .*bucket does not exist"):
        ObjectStore("s3://absent").write("a", b"1")


@pytest.mark.usefixtures("_fresh_clients")
def test_without_credentials_the_message_says_which_to_set(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    url = s3.bucket()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"):
        ObjectStore(url).write("a", b"1")


@pytest.mark.usefixtures("_fresh_clients")
def test_an_address_where_nobody_listens_is_one_line(
    s3: S3, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    url = s3.bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port}")
    with pytest.raises(StorageError, match=r"^cannot read s3://.*check the network and AWS_ENDPOINT_URL$"):
        ObjectStore(url).read("a")


@pytest.mark.parametrize("url", ["s3://", "nonsense://bucket"])
def test_urls_without_bucket_or_protocol_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"give s3://BUCKET/PREFIX"):
        ObjectStore(url)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(MissingExtra, match=r"pip install 'litho\[storage\]'"):
        ObjectStore("s3://bucket")
