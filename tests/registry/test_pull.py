"""What `litho pull` refuses, and what it leaves where it was."""

import json
import shutil
from pathlib import Path

import pytest

from litho.bundle import Bundle, sign_bundle
from litho.bundle.manifest import FileRecord
from litho.errors import BundleError, IntegrityError, RegistryError, SchemaError, TrustError, UsageError
from litho.registry.package import PACKAGE_NAME, PACKAGE_SIGNATURE
from litho.registry.pull import pull
from litho.registry.push import push

from ..signers import make_keys
from .conftest import grow, make_run, same_files

ADDRESS = "file://hub/me/tiny"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def change(path: str, content: bytes | None) -> None:
    """Replace a file of the upload in the folder, as somebody who may write there can; None removes it."""
    (link,) = Path("hub/models--me--tiny/snapshots").glob(f"*/{path}")
    link.unlink()
    if content is not None:
        link.write_bytes(content)


def relist(*changed: str, **files: bytes | None) -> None:
    """Make the package fit the changed files: what an attacker does who knows litho."""
    (package,) = Path("hub/models--me--tiny/snapshots").glob(f"*/{PACKAGE_NAME}")
    document = json.loads(package.read_text())
    for path in changed:
        record = FileRecord.of((package.parent / path).read_bytes())
        document["files"][path] = json.loads(record.model_dump_json())
    change(PACKAGE_NAME, json.dumps(document).encode())


def test_a_signed_bundle_is_pulled_with_its_key(signed: Path, keys: tuple[Path, Path]) -> None:
    push(signed, ADDRESS)
    pulled = pull(ADDRESS, key=keys[1])
    assert pulled.signed
    Bundle.load(pulled.path, key=keys[1])
    # What is there already is checked as well.
    assert pull(ADDRESS, key=keys[1]).received_bytes == 0


def test_an_unsigned_bundle_is_refused_by_name(small: Path, keys: tuple[Path, Path]) -> None:
    pushed = push(small, ADDRESS)
    with pytest.raises(
        TrustError, match=rf"{pushed.address} is not signed: it has no manifest\.json\.sig; its maker"
    ):
        pull(ADDRESS, key=keys[1])
    assert not Path("bundles").exists()


def test_another_signer_is_refused_before_anything_large_is_read(signed: Path, tmp_path: Path) -> None:
    grow(signed)
    sign_bundle(signed, key=tmp_path / "keys/private.pem")
    push(signed, ADDRESS)
    _, other = make_keys(tmp_path / "other")
    seen: list[str] = []
    with pytest.raises(TrustError, match=r"was not signed with key .* but, as it says, with"):
        pull(ADDRESS, key=other, progress=lambda step, share: seen.append(step))
    assert not [step for step in seen if "report.html" in step or "graphs" in step]
    assert not Path("bundles").exists()


@pytest.mark.parametrize("path", ["graphs/generator.fp32.onnx", "probes.safetensors", "manifest.json"])
def test_a_changed_byte_is_refused_by_name(small: Path, path: str) -> None:
    push(small, ADDRESS)
    content = (small / path).read_bytes()
    change(path, content[:-1] + b"?")
    with pytest.raises(IntegrityError, match=rf"{path.replace('.', '[.]')} has changed: its SHA-256"):
        pull(ADDRESS)
    assert not Path("bundles").exists()


def test_a_package_that_was_made_to_fit_a_changed_graph_is_refused(
    signed: Path, keys: tuple[Path, Path]
) -> None:
    """The package is not signed, the manifest is: it decides, with a key and without."""
    push(signed, ADDRESS)
    change("graphs/generator.fp32.onnx", b"another graph")
    relist("graphs/generator.fp32.onnx")
    for key in (None, keys[1]):
        with pytest.raises(IntegrityError, match=r"say different things of 'graphs/generator\.fp32\.onnx'"):
            pull(ADDRESS, key=key)


def test_a_manifest_that_was_changed_too_is_not_what_was_signed(
    signed: Path, keys: tuple[Path, Path]
) -> None:
    push(signed, ADDRESS)
    change("graphs/generator.fp32.onnx", b"another graph")
    manifest = json.loads((signed / "manifest.json").read_text())
    record = json.loads(FileRecord.of(b"another graph").model_dump_json())
    manifest["files"]["graphs/generator.fp32.onnx"] = record
    change("manifest.json", json.dumps(manifest).encode())
    relist("graphs/generator.fp32.onnx", "manifest.json")
    with pytest.raises(TrustError, match=r"is not what key .* signed"):
        pull(ADDRESS, key=keys[1])
    assert not Path("bundles").exists()


def test_a_signed_run_is_pulled_with_its_key_and_pushed_on(small_run: Path, keys: tuple[Path, Path]) -> None:
    push(small_run, ADDRESS, key=keys[0])
    pulled = pull(ADDRESS, key=keys[1])
    assert (pulled.kind, pulled.path, pulled.signed) == ("run", Path("runs/run"), True)
    left_out = ("checkpoint", "tensorboard", "samples/0000008000", "litho-package.json")
    assert same_files(small_run, pulled.path, without=left_out)
    # Its digital signature goes with it, whoever pushes it on and under whatever name.
    pulled.path.rename("renamed")
    assert push("renamed", "file://hub/other/mirror").signed
    assert pull("file://hub/other/mirror", key=keys[1], to="mirrored").signed


def test_a_run_that_was_changed_since_is_pushed_unsigned_and_that_is_said(
    small_run: Path, keys: tuple[Path, Path]
) -> None:
    push(small_run, ADDRESS, key=keys[0])
    run = pull(ADDRESS).path
    (run / "recipe.json").write_text("{}")
    pushed = push(run, ADDRESS)
    assert not pushed.signed
    assert pushed.notes == (f"{run} is no longer what was signed; sign it with --key, or push it unsigned",)
    with pytest.raises(
        TrustError, match=r"has no litho-package\.json\.sig; its maker pushes it again with --key"
    ):
        pull(ADDRESS, key=keys[1], to="again")


@pytest.mark.parametrize("content", [b"x" * 64, b"", b"x" * 100_000])
def test_a_run_with_a_wrong_signature_is_refused(
    small_run: Path, keys: tuple[Path, Path], content: bytes
) -> None:
    push(small_run, ADDRESS, key=keys[0])
    change(PACKAGE_SIGNATURE, content)
    with pytest.raises(
        (TrustError, RegistryError), match=r"is not what key .* signed|has more than 65536 bytes"
    ):
        pull(ADDRESS, key=keys[1])


def test_a_run_whose_weights_are_not_those_it_describes_is_refused(small_run: Path) -> None:
    push(small_run, ADDRESS)
    change("snapshot.safetensors", b"others")
    relist("snapshot.safetensors")
    with pytest.raises(IntegrityError, match=r"snapshot\.safetensors is not what snapshot\.json describes"):
        pull(ADDRESS)
    assert not Path("runs").exists()


def test_a_run_that_is_no_run_is_refused(small_run: Path) -> None:
    push(small_run, ADDRESS)
    change("snapshot.json", b'{"schema_version": 1}')
    relist("snapshot.json")
    with pytest.raises(SchemaError, match="is not a document of a run"):
        pull(ADDRESS)
    assert not Path("runs").exists()


def test_a_checkpoint_comes_only_if_it_was_asked_for(small_run: Path) -> None:
    push(small_run, ADDRESS)
    assert not (pull(ADDRESS).path / "checkpoint").exists()
    push(small_run, ADDRESS, checkpoint=True)
    assert (pull(ADDRESS, replace=True).path / "checkpoint/state.pt").read_bytes() == b"a checkpoint"


def test_what_is_there_is_replaced_only_on_request(small: Path) -> None:
    push(small, ADDRESS)
    pull(ADDRESS)
    grow(small)
    push(small, ADDRESS)
    with pytest.raises(UsageError, match="'bundles/tiny' is there and is another one; give --replace"):
        pull(ADDRESS)
    assert same_files(pull(ADDRESS, replace=True).path, small)


def test_a_folder_of_something_else_is_never_replaced(small: Path) -> None:
    push(small, ADDRESS)
    Path("thesis").mkdir()
    Path("thesis/chapter.tex").write_text("x")
    with pytest.raises(UsageError, match="'thesis' is there and is neither a bundle nor a run"):
        pull(ADDRESS, to="thesis", replace=True)
    with pytest.raises(UsageError, match="is not a folder"):
        pull(ADDRESS, to="thesis/chapter.tex/below")
    assert Path("thesis/chapter.tex").read_text() == "x"
    Path("lost").symlink_to("nowhere")
    with pytest.raises(UsageError, match="'lost' is a link that leads nowhere"):
        pull(ADDRESS, to="lost", replace=True)


def test_an_upload_that_is_too_large_is_not_read(small: Path) -> None:
    grow(small)
    push(small, ADDRESS)
    with pytest.raises(RegistryError, match=r"has 2\.93 MiB, at most 1\.00 MiB are read; raise --most-gib"):
        pull(ADDRESS, most_bytes=1 << 20)


def test_the_key_is_read_before_the_registry(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no key at 'nowhere\.pem'"):
        pull(ADDRESS, key="nowhere.pem")


def test_a_bundle_in_the_old_folder_is_whole_when_a_new_one_is_refused(small: Path) -> None:
    push(small, ADDRESS)
    old = pull(ADDRESS).path
    before = Path(shutil.copytree(old, "before"))
    grow(small)
    push(small, ADDRESS)
    (link,) = Path("hub/models--me--tiny/snapshots").glob("*/report.html")
    link.unlink()
    link.write_bytes(bytes(range(255, -1, -1)) * 12_000)
    with pytest.raises(BundleError, match=r"report\.html has changed"):
        pull(ADDRESS, replace=True)
    assert same_files(old, before)


def test_the_run_of_a_real_generator_opens(run: Path) -> None:
    """What training writes is what this stage, which does not import it, reads."""
    from litho.training.run.snapshot import load_snapshot

    push(run, ADDRESS)
    assert load_snapshot(pull(ADDRESS).path).info == load_snapshot(run).info


def test_a_run_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    first = push(make_run(tmp_path / "a" / "run"), ADDRESS)
    assert push(make_run(tmp_path / "b" / "run"), ADDRESS).address == first.address
