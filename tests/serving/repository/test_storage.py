"""A model repository on a real S3 server: versions come and go; torn uploads, races and lost networks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from litho.errors import DeployError, IntegrityError, StorageError
from litho.files import write_bytes
from litho.object_store import ObjectStore
from litho.serving.configuration.model_config import parse_config, print_config
from litho.serving.repository.storage import INDEX_NAME, Replica, is_remote, writing

if TYPE_CHECKING:
    from ...conftest import S3


def write_version(root: Path, version: int, content: str = "weights") -> None:
    """What `deploy` leaves of a version, as small as it can be."""
    config = parse_config(
        f'name: "m" backend: "litho" version_policy {{ specific {{ versions: {version} }} }}'
    )
    directory = root / "m" / str(version)
    write_bytes(directory / "bundle" / "graph.onnx", f"{content} {version}")
    write_bytes(directory / "config.pbtxt", print_config(config))
    write_bytes(root / "m" / "config.pbtxt", print_config(config))


def put(url: str, version: int, content: str = "weights") -> None:
    with writing(url, "m") as folder:
        write_version(folder, version, content)


def served(folder: Path) -> str:
    (version,) = parse_config((folder / "m" / "config.pbtxt").read_text()).version_policy.specific.versions
    return (folder / "m" / str(version) / "bundle" / "graph.onnx").read_text()


class Failing(ObjectStore):
    """A store whose network breaks at one of its writes."""

    fails: Callable[[str], bool] = staticmethod(lambda key: False)
    applied = False

    def _pipe(self, key: str, content: bytes, **options: Any) -> None:
        if type(self).fails(key):
            if type(self).applied:
                super()._pipe(key, content, **options)
            raise ConnectionResetError("connection reset by peer")
        super()._pipe(key, content, **options)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[Failing]:
    monkeypatch.setattr("litho.serving.repository.storage.ObjectStore", Failing)
    monkeypatch.setattr(Failing, "fails", staticmethod(lambda key: False))
    monkeypatch.setattr(Failing, "applied", False)
    return Failing


def test_a_path_is_given_as_it_is(tmp_path: Path) -> None:
    assert not is_remote(tmp_path)
    assert is_remote("s3://bucket")
    with writing(tmp_path, "m") as folder:
        assert folder == tmp_path


def test_versions_are_uploaded_fetched_and_removed(s3: S3, tmp_path: Path) -> None:
    url = s3.bucket()
    put(url, 1)
    put(url, 2)
    replica = Replica(url, tmp_path / "replica")
    assert replica.refresh() == ("m",)
    assert served(replica.path) == "weights 2"
    assert not (replica.path / "m" / "1").exists(), "only the served version is fetched"
    assert replica.refresh() == ()

    with writing(url, "m", whole=True) as folder:
        assert sorted(path.name for path in (folder / "m").iterdir()) == ["1", "2", "config.pbtxt"]
        write_bytes(folder / "m" / "config.pbtxt", (folder / "m" / "1" / "config.pbtxt").read_bytes())
    assert replica.refresh() == ("m",)
    assert served(replica.path) == "weights 1"
    replica.prune()
    assert sorted(path.name for path in (replica.path / "m").iterdir()) == ["1", "config.pbtxt"]

    store = ObjectStore(url)
    with writing(url, "m") as folder:
        (folder / "m" / "2" / "config.pbtxt").unlink()
        (folder / "m" / "2").rmdir()
    assert store.listed("m/2/") == []
    with writing(url, "m") as folder:
        (folder / "m" / "config.pbtxt").unlink()
        for path in sorted((folder / "m").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    assert store.listed() == []
    with pytest.raises(StorageError, match="is not a model repository"):
        replica.refresh()
    assert served(replica.path) == "weights 1", "what was fetched stays"


def test_nothing_is_uploaded_if_the_block_fails_or_changes_nothing(s3: S3) -> None:
    url = s3.bucket()

    def fail() -> None:
        with writing(url, "m") as folder:
            write_version(folder, 1)
            raise DeployError(f"{folder / 'm'} cannot be proven")

    with pytest.raises(DeployError, match=f"^{url}/m cannot be proven$"):
        fail()
    assert ObjectStore(url).listed() == []
    put(url, 1)
    before = ObjectStore(url).read_tagged("m/config.pbtxt")
    with writing(url, "m"):
        pass
    assert ObjectStore(url).read_tagged("m/config.pbtxt") == before


@pytest.mark.parametrize("at", ["bundle/graph.onnx", f"2/{INDEX_NAME}", "m/config.pbtxt"])
def test_an_upload_that_fails_leaves_the_old_version(
    s3: S3, failing: type[Failing], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: str
) -> None:
    url = s3.bucket()
    put(url, 1)
    before = ObjectStore(url).listed()
    monkeypatch.setattr(failing, "fails", staticmethod(lambda key: key.endswith(at)))
    with pytest.raises(StorageError, match=r"cannot write s3://.*connection reset by peer") as failed:
        put(url, 2)
    assert "\n" not in str(failed.value)
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert ObjectStore(url).listed() == before, "neither parts nor a lock are left"
    replica = Replica(url, tmp_path / "replica")
    replica.refresh()
    assert served(replica.path) == "weights 1"


def test_a_commit_whose_answer_was_lost_is_not_taken_back(
    s3: S3, failing: type[Failing], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = s3.bucket()
    put(url, 1)
    monkeypatch.setattr(failing, "fails", staticmethod(lambda key: key == "m/config.pbtxt"))
    monkeypatch.setattr(failing, "applied", True)
    with pytest.raises(StorageError):
        put(url, 2)
    replica = Replica(url, tmp_path / "replica")
    replica.refresh()
    assert served(replica.path) == "weights 2"


KILLED = """
import os, socket, sys
from litho.serving.repository import storage

write = storage.ObjectStore.write

def dies(self, key, content):
    if key.endswith(storage.INDEX_NAME):
        os._exit(9)  # as after SIGKILL: nothing is tidied up
    write(self, key, content)

storage.ObjectStore.write = dies
socket.gethostname = lambda: sys.argv[2]
config = "version_policy { specific { versions: 2 } }"
with storage.writing(sys.argv[1], "m") as folder:
    for file, content in (("2/bundle/graph.onnx", "torn"), ("2/config.pbtxt", config), ("config.pbtxt", config)):
        storage.write_bytes(folder / "m" / file, content)
"""


def test_a_writer_that_was_killed_leaves_nothing_that_is_served(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = s3.bucket()
    put(url, 1)
    done = subprocess.run([sys.executable, "-c", KILLED, url, "elsewhere"], env=dict(os.environ), check=False)
    assert done.returncode == 9
    assert ObjectStore(url).read("m/2/bundle/graph.onnx") == b"torn"
    replica = Replica(url, tmp_path / "replica")
    replica.refresh()
    assert served(replica.path) == "weights 1"

    with pytest.raises(StorageError, match=r"elsewhere \(process \d+\) is writing s3://"):
        put(url, 2)  # a lock of this machine would be taken at once, one of another has to run out
    monkeypatch.setattr("litho.object_lock.time.time", lambda: 1e11)  # its lock has run out
    put(url, 2)
    replica.refresh()
    assert served(replica.path) == "weights 2"
    assert ObjectStore(url).read("m/2/bundle/graph.onnx") == b"weights 2"


def test_of_two_writers_the_second_is_told(s3: S3, tmp_path: Path) -> None:
    url = s3.bucket()
    put(url, 1)

    def deploy_both() -> None:
        with writing(url, "m") as folder:
            put(url, 2, "first")
            write_version(folder, 3, "second")

    with pytest.raises(StorageError, match="another process has changed"):
        deploy_both()
    replica = Replica(url, tmp_path / "replica")
    replica.refresh()
    assert served(replica.path) == "first 2"
    assert ObjectStore(url).listed("m/3/") == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda store: store.write("m/1/bundle/graph.onnx", b"changed"), "differs from its SHA-256"),
        (lambda store: store.delete("m/1/bundle/graph.onnx"), "is missing"),
        (lambda store: store.delete(f"m/1/{INDEX_NAME}"), "its upload was torn"),
        (lambda store: store.write("m/config.pbtxt", b"name: 'm'"), "does not name one version"),
        (
            lambda store: store.write(
                f"m/1/{INDEX_NAME}",
                b'{"schema_version": 1, "files": {"../../../x": {"sha256": "%s", "size_bytes": 1}}}'
                % (b"0" * 64),
            ),
            r"without '\.\.'",
        ),
    ],
)
def test_what_does_not_agree_with_its_hash_is_not_served(
    s3: S3, tmp_path: Path, damage: Callable[[ObjectStore], None], message: str
) -> None:
    url = s3.bucket()
    put(url, 1)
    damage(ObjectStore(url))
    replica = Replica(url, tmp_path / "replica")
    with pytest.raises(IntegrityError, match=message):
        replica.refresh()
    assert not list(replica.path.rglob("config.pbtxt"))


def test_a_damaged_version_can_be_replaced_but_not_be_gone_back_to(s3: S3, tmp_path: Path) -> None:
    url = s3.bucket()
    put(url, 1)
    put(url, 2)
    ObjectStore(url).write("m/1/bundle/graph.onnx", b"changed")

    def go_back() -> None:
        with writing(url, "m", whole=True) as folder:
            write_bytes(folder / "m" / "config.pbtxt", (folder / "m" / "1" / "config.pbtxt").read_bytes())

    with pytest.raises(IntegrityError, match=r"^version 1 cannot be served: .* differs from its SHA-256"):
        go_back()
    ObjectStore(url).write("m/2/bundle/graph.onnx", b"changed")
    put(url, 3)
    replica = Replica(url, tmp_path / "replica")
    replica.refresh()
    assert served(replica.path) == "weights 3"


def test_a_changed_file_of_a_replica_is_fetched_again(s3: S3, tmp_path: Path) -> None:
    url = s3.bucket()
    put(url, 1)
    replica = Replica(url, tmp_path / "replica")
    replica.refresh()
    (replica.path / "m" / "1" / "bundle" / "graph.onnx").write_text("bit rot")
    replica.refresh()
    assert served(replica.path) == "weights 1"
