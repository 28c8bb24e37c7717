"""A real OCI registry: artefacts, digests, other clients, and what goes wrong."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from litho.benchmarks.registries.server import RunningRegistry, running_registry
from litho.bundle import Bundle
from litho.errors import IntegrityError, RegistryError, UsageError
from litho.registry.address import OciAddress, parse_address
from litho.registry.oci import ARTIFACT_TYPES, MANIFEST_TYPE, PACKAGE_TYPE
from litho.registry.oci_client import Client
from litho.registry.pull import pull
from litho.registry.push import push

from .conftest import grow, same_files
from .lossy_proxy import LossyProxy

pytest.importorskip("oras")

TITLE = "org.opencontainers.image.title"


@pytest.fixture
def address(oci_registry: RunningRegistry, request: pytest.FixtureRequest) -> str:
    """An artefact that no other test pushes."""
    return f"oci://{oci_registry.host}/tests/{request.node.name.split('[')[0]}:v1"


def manifest_of(address: str) -> dict[str, Any]:
    where = parse_address(address)
    assert isinstance(where, OciAddress)
    with closing(Client(where, "pull from")) as client:
        answer = client.request("GET", f"manifests/{where.reference}", headers={"Accept": MANIFEST_TYPE})
        return json.loads(answer.content)


def layers_of(address: str) -> dict[str, dict[str, Any]]:
    """Layers of an artefact, by the paths that they name."""
    return {layer["annotations"][TITLE]: layer for layer in manifest_of(address)["layers"]}


@contextmanager
def oras_client() -> Iterator[Any]:
    """The client of oras, which knows nothing of litho."""
    client = pytest.importorskip("oras.client").OrasClient(insecure=True)
    with client.session:
        yield client


def test_a_bundle_comes_back_as_it_went(small: Path, address: str, tmp_path: Path) -> None:
    pushed = push(small, address)
    pulled = pull(address, to=tmp_path / "back")
    assert pulled.address == pushed.address
    assert same_files(small, pulled.path)
    # By its digest too, whatever the tag names later.
    grow(small)
    assert push(small, address).address != pushed.address
    assert not same_files(pull(pushed.address, to=tmp_path / "old").path, small)


def test_an_artefact_says_what_it_is(small: Path, address: str) -> None:
    push(small, address)
    manifest = manifest_of(address)
    assert manifest["artifactType"] == ARTIFACT_TYPES["bundle"]
    assert manifest["config"]["mediaType"] == PACKAGE_TYPE
    types = {path: layer["mediaType"] for path, layer in layers_of(address).items()}
    assert types["graphs/generator.fp32.onnx"] == "application/vnd.onnx"
    assert types["README.md"] == "text/markdown"


def test_the_same_files_have_the_same_digest_and_go_once(small: Path, address: str) -> None:
    first = push(small, address)
    again = push(small, address)
    assert (again.address, again.sent_bytes) == (first.address, 0)


def test_the_client_of_oras_reads_it(small: Path, address: str, tmp_path: Path) -> None:
    push(small, address)
    outdir = tmp_path / "oras"
    with oras_client() as client:
        client.pull(target=address.removeprefix("oci://"), outdir=str(outdir))
    Bundle.load(outdir)
    assert same_files(small, outdir, without=("litho-package.json", "README.md", "pictures/"))


def test_what_is_no_upload_of_litho_is_refused(
    oci_registry: RunningRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("setup.py").write_text("print('hello')")
    target = f"{oci_registry.host}/tests/something:else"
    with oras_client() as client:
        client.push(target=target, files=["setup.py"], quiet=True)
    with pytest.raises(RegistryError, match="is not a bundle or run of litho but something else"):
        pull(f"oci://{target}")


@pytest.mark.parametrize("where", ["tests/nothing:v1", "tests/nothing@sha256:" + "0" * 64])
def test_an_unknown_artefact_is_refused(oci_registry: RunningRegistry, where: str) -> None:
    with pytest.raises(RegistryError, match=r"does not exist \(404, .*\); check name and tag"):
        pull(f"oci://{oci_registry.host}/{where}")


def test_a_digest_cannot_be_pushed_to(oci_registry: RunningRegistry, small: Path) -> None:
    with pytest.raises(UsageError, match="names a digest, which follows from what is pushed"):
        push(small, f"oci://{oci_registry.host}/tests/x@sha256:{'0' * 64}")


def test_a_changed_byte_in_the_registry_is_refused_by_name(
    oci_registry: RunningRegistry, address: str, small: Path, tmp_path: Path
) -> None:
    """The registry does not compare what it reads from its disk."""
    grow(small, address.encode() * 100)
    push(small, address)
    layers = layers_of(address)
    blob = oci_registry.blob(layers["report.html"]["digest"])
    content = bytearray(blob.read_bytes())
    content[100] ^= 1
    blob.write_bytes(content)
    with pytest.raises(
        IntegrityError, match=r"report\.html has changed: its SHA-256 is not the one in the package"
    ):
        pull(address, to=tmp_path / "back")
    assert not (tmp_path / "back").exists()
    assert not list(tmp_path.glob(".back*"))


def test_a_changed_manifest_is_not_what_the_digest_names(
    oci_registry: RunningRegistry, address: str, small: Path, tmp_path: Path
) -> None:
    grow(small, address.encode())
    pushed = push(small, address)
    blob = oci_registry.blob(pushed.address.rpartition("@")[2])
    blob.write_bytes(blob.read_bytes().replace(b'"schemaVersion": 2', b'"schemaVersion":  2'))
    with pytest.raises((IntegrityError, RegistryError)) as refused:
        pull(pushed.address, to=tmp_path / "back")
    assert "do not use this registry" in str(refused.value) or "answers 500" in str(refused.value)


def test_a_half_finished_upload_is_refused_by_name(
    oci_registry: RunningRegistry, address: str, small: Path, tmp_path: Path
) -> None:
    """A manifest that was pushed by other means without all of its files, or whose files were removed since."""
    grow(small, address.encode() * 200)
    push(small, address)
    layers = layers_of(address)
    oci_registry.blob(layers["report.html"]["digest"]).unlink()
    with pytest.raises(RegistryError, match=r"half-finished upload: it lacks report\.html"):
        pull(address, to=tmp_path / "back")
    assert push(small, address).sent_bytes == layers["report.html"]["size"]
    assert same_files(pull(address, to=tmp_path / "back").path, small)


def test_a_file_that_was_cut_short_in_the_registry_is_refused_by_name(
    oci_registry: RunningRegistry, address: str, small: Path, tmp_path: Path
) -> None:
    grow(small, address.encode() * 300)
    push(small, address)
    blob = oci_registry.blob(layers_of(address)["report.html"]["digest"])
    blob.write_bytes(blob.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=r"report\.html ends after \d+ bytes, its package says more"):
        pull(address, to=tmp_path / "back")


def test_a_lost_connection_continues(
    oci_registry: RunningRegistry,
    address: str,
    small: Path,
    tmp_path: Path,
    lossy: Callable[[str], LossyProxy],
) -> None:
    grow(small)
    push(small, address)
    proxy = lossy(oci_registry.host)
    proxy.most_bytes = 1 << 20  # the large file takes three connections
    through = address.replace(oci_registry.host, proxy.host)
    pulled = pull(through, to=tmp_path / "back")
    assert same_files(pulled.path, small)
    assert pulled.received_bytes == pulled.size_bytes


def test_a_pull_that_was_stopped_continues_where_it_was(
    oci_registry: RunningRegistry,
    address: str,
    small: Path,
    tmp_path: Path,
    lossy: Callable[[str], LossyProxy],
) -> None:
    grow(small)
    push(small, address)

    class Stopped(BaseException):
        """Like a process that is killed: nobody cleans up."""

    def stop(step: str, share: float) -> None:
        if "report.html" in step and share > 0.5:
            raise Stopped

    with pytest.raises(Stopped):
        pull(address, to=tmp_path / "back", progress=stop)
    assert not (tmp_path / "back").exists()
    pulled = pull(address, to=tmp_path / "back")
    assert pulled.received_bytes < 0.6 * pulled.size_bytes
    assert same_files(pulled.path, small)
    assert not list(tmp_path.glob(".back*"))


def test_a_dead_connection_is_one_line_and_can_be_continued(
    oci_registry: RunningRegistry,
    address: str,
    small: Path,
    tmp_path: Path,
    lossy: Callable[[str], LossyProxy],
) -> None:
    grow(small)
    push(small, address)
    proxy = lossy(oci_registry.host)
    proxy.most_bytes = 300  # enough for the head of an answer and not for a file
    with pytest.raises(RegistryError) as refused:
        pull(address.replace(oci_registry.host, proxy.host), to=tmp_path / "back")
    assert "\n" not in str(refused.value)
    assert same_files(pull(address, to=tmp_path / "back").path, small)


def test_an_upload_that_breaks_continues(
    oci_registry: RunningRegistry, address: str, small: Path, tmp_path: Path
) -> None:
    """A registry that may not write large files any more refuses one; what has arrived is not sent twice."""
    grow(small)
    with running_registry(tmp_path / "full", most_file_bytes=1 << 20) as running:
        full = address.replace(oci_registry.host, running.host)
        with pytest.raises(RegistryError) as refused:
            push(small, full)
    assert "\n" not in str(refused.value)
    with running_registry(tmp_path / "full") as running:
        again = address.replace(oci_registry.host, running.host)
        with pytest.raises(RegistryError, match="does not exist"):
            pull(again)
        pushed = push(small, again)
    assert pushed.present_bytes > 0


def test_a_registry_that_is_not_there_is_said_at_once(small: Path) -> None:
    with pytest.raises(
        RegistryError, match=r"cannot reach 127\.0\.0\.1:1 \(Connection refused\); check the address"
    ):
        push(small, "oci://127.0.0.1:1/me/tiny:v1")
