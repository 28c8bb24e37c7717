"""A folder in the layout of the hub client's cache: written, read, and read by the client itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from litho.errors import IntegrityError, RegistryError, UsageError
from litho.files import locked
from litho.registry.pull import pull
from litho.registry.push import push

from .conftest import grow, same_files

ADDRESS = "file://hub/me/tiny"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_bundle_comes_back_as_it_went(small: Path) -> None:
    pushed = push(small, ADDRESS)
    pulled = pull(ADDRESS)
    assert (pulled.kind, pulled.path, pulled.address) == ("bundle", Path("bundles/tiny"), pushed.address)
    assert pulled.received_bytes == pulled.size_bytes
    assert same_files(small, pulled.path)


def test_the_clients_own_cache_is_read_and_written(small: Path, tmp_path: Path) -> None:
    """The real client finds what was pushed, without a network."""
    pytest.importorskip("huggingface_hub")
    pushed = push(small, ADDRESS)
    program = (
        "from huggingface_hub import snapshot_download, scan_cache_dir\n"
        "print(snapshot_download('me/tiny'))\n"
        "(repo,) = scan_cache_dir().repos\n"
        "print(repo.repo_id, *[r.commit_hash for r in repo.revisions], *[w for w in scan_cache_dir().warnings])"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    folder, found = done.stdout.splitlines()
    assert same_files(small, Path(folder), without=("litho-package.json", "README.md", "pictures/"))
    assert found == f"me/tiny {pushed.address.rpartition('@')[2]}"


def test_a_second_push_writes_what_has_changed(small: Path) -> None:
    first = push(small, ADDRESS)
    assert push(small, ADDRESS).address == first.address
    assert push(small, ADDRESS).sent_bytes == 0
    grow(small)
    second = push(small, ADDRESS)
    assert second.address != first.address
    assert second.present_bytes > 0
    # The upload before has a name of its own.
    assert not same_files(pull(first.address, to="old").path, small)
    assert same_files(pull(second.address, to="new").path, small)


def test_revisions_are_branches_and_commits(small: Path) -> None:
    push(small, ADDRESS, revision="v1")
    with pytest.raises(RegistryError, match=r"no revision 'main' \(known: v1\)"):
        pull(ADDRESS)
    pull(ADDRESS, revision="v1")
    with pytest.raises(RegistryError, match="does not exist: there is no hub/models--me--other; check owner"):
        pull("file://hub/me/other")


def test_a_half_finished_upload_is_refused_and_continued(small: Path) -> None:
    """A push that ended before it named its commit, before it wrote its snapshot, or in the middle of a file."""
    pushed = push(small, ADDRESS)
    root = Path("hub/models--me--tiny")
    (root / "refs" / "main").unlink()
    with pytest.raises(RegistryError, match="half-finished upload: it lacks hub/models--me--tiny/refs/main"):
        pull(ADDRESS)
    assert push(small, ADDRESS) == pushed.__class__(pushed.address, 0, pushed.sent_bytes)
    largest = max((root / "blobs").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=r"has \d+ bytes, its package says \d+"):
        pull(ADDRESS)
    assert push(small, ADDRESS).sent_bytes == largest.stat().st_size
    largest.unlink()
    with pytest.raises(RegistryError, match=r"half-finished upload: it lacks manifest\.json"):
        pull(ADDRESS)
    assert not Path("bundles").exists() or not any(Path("bundles").iterdir())


def test_a_link_that_leaves_the_folder_is_refused(small: Path, tmp_path: Path) -> None:
    pushed = push(small, ADDRESS)
    secret = tmp_path / "secret"
    secret.write_bytes(b"a graph")
    link = Path(
        "hub/models--me--tiny/snapshots", pushed.address.rpartition("@")[2], "graphs/generator.fp32.onnx"
    )
    link.unlink()
    link.symlink_to(secret)
    with pytest.raises(IntegrityError, match=r"is a link that leaves .*blobs"):
        pull(ADDRESS)


def test_a_pipe_is_not_waited_for(small: Path) -> None:
    pushed = push(small, ADDRESS)
    link = Path("hub/models--me--tiny/snapshots", pushed.address.rpartition("@")[2], "report.html")
    link.with_name("litho-package.json").unlink()
    os.mkfifo(link.with_name("litho-package.json"))
    with pytest.raises(RegistryError, match=r"has no litho-package\.json"):
        pull(ADDRESS)


def test_two_writers_do_not_meet(small: Path) -> None:
    push(small, ADDRESS)
    with (
        locked(Path("hub/models--me--tiny/.lock"), RegistryError("here")),
        pytest.raises(RegistryError, match="another process writes hub/models--me--tiny; wait"),
    ):
        push(small, ADDRESS)


def test_an_option_that_would_be_ignored_is_refused(small: Path) -> None:
    with pytest.raises(UsageError, match="--private is of repositories of the hub"):
        push(small, ADDRESS, private=True)
    with pytest.raises(UsageError, match="--plain-http is of OCI registries"):
        push(small, ADDRESS, plain_http=True)


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(small: Path) -> None:
    Path("file").touch()
    with pytest.raises(
        UsageError, match=r"ADDRESS was given 'file/models--me--tiny', but .*/file is not a folder"
    ):
        push(small, "file://file/me/tiny")
    with pytest.raises(UsageError, match=r"but .*/file is not a folder; give another"):
        push(small, "file://file/below/me/tiny")
