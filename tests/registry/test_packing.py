"""What is sent of a bundle or a run."""

import json
from pathlib import Path

import pytest

from litho.bundle.keys import PublicKey
from litho.errors import IntegrityError, TrustError, UsageError
from litho.registry.package import PACKAGE_NAME, PACKAGE_SIGNATURE
from litho.registry.packing import Upload, pack, pack_bundle, pack_run

from .conftest import make_run


def test_a_bundle_goes_with_all_that_its_manifest_lists(signed: Path, keys: tuple[Path, Path]) -> None:
    packed = pack(signed)
    listed = json.loads((signed / "manifest.json").read_text())["files"]
    assert set(packed.package.files) == {*listed, "manifest.json", "manifest.json.sig", "manifest.json.pub"}
    assert packed.signer == PublicKey.read(keys[1])
    assert packed.uploads[-1] == Upload.of(PACKAGE_NAME, packed.package.to_bytes())
    for upload in packed.uploads:
        with upload.open() as file:
            assert len(file.read()) == upload.record.size_bytes


def test_a_changed_file_is_not_sent(small: Path) -> None:
    (small / "graphs/generator.fp32.onnx").write_bytes(b"a grapf")
    with pytest.raises(IntegrityError, match=r"generator\.fp32\.onnx has changed"):
        pack_bundle(small)


def test_a_signature_that_no_longer_fits_is_not_sent(signed: Path) -> None:
    manifest = signed / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"tiny"', '"teny"'))
    with pytest.raises(TrustError, match="has changed since it was signed; sign it again: litho sign"):
        pack_bundle(signed)


def test_a_run_goes_without_what_names_the_machine(small_run: Path) -> None:
    assert set(pack(small_run).package.files) == {
        "snapshot.json",
        "snapshot.safetensors",
        "recipe.json",
        "stats.jsonl",
        "evaluation.json",
        "samples/0000054000.png",
    }
    assert "checkpoint/state.pt" in pack(small_run, checkpoint=True).package.files


def test_a_run_is_signed_while_it_is_packed(small_run: Path, keys: tuple[Path, Path]) -> None:
    packed = pack_run(small_run, key=keys[0])
    signature = next(upload for upload in packed.uploads if upload.path == PACKAGE_SIGNATURE)
    assert isinstance(signature.source, bytes)
    assert PublicKey.read(keys[1]).signed(packed.package.to_bytes(), signature.source)


def test_weights_that_are_not_described_are_not_sent(small_run: Path) -> None:
    (small_run / "snapshot.safetensors").write_bytes(b"others")
    with pytest.raises(
        IntegrityError, match=r"snapshot\.safetensors has changed: its SHA-256 is not the one in snap"
    ):
        pack(small_run)


def test_a_link_is_not_sent(small_run: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (small_run / "recipe.json").unlink()
    (small_run / "recipe.json").symlink_to(tmp_path / "secret")
    with pytest.raises(IntegrityError, match="is a symbolic link"):
        pack(small_run)


def test_what_is_neither_is_refused(tmp_path: Path, small: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="is neither a bundle nor a finished run; expected a folder with"):
        pack(tmp_path / "nothing")
    with pytest.raises(
        UsageError, match=r"is a bundle, which is signed before it is pushed: litho sign .* --key KEY"
    ):
        pack(small, key=keys[0])
    with pytest.raises(UsageError, match="--checkpoint is of runs"):
        pack(small, checkpoint=True)
    run = make_run(tmp_path / "bare")
    for path in (run / "checkpoint").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match="has no checkpoint to send"):
        pack(run, checkpoint=True)
