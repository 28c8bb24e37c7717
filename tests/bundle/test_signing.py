"""A signed bundle: what the digital signature binds, and everything that breaks it, each in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from litho.bundle import Bundle, BundleWriter, create_bundle, sign_bundle
from litho.bundle.signing import (
    SIGNATURE_NAME,
    SIGNED_FOLDER,
    SIGNER_NAME,
    describe_signing,
    signed_files,
)
from litho.errors import BundleError, IntegrityError, TrustError, UsageError

from ..signers import make_keys, openssl
from .conftest import GRAPH, edit, make, variant

Keys = tuple[Path, Path]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path / "keys")


@pytest.fixture
def signed(made: Path, keys: Keys) -> Path:
    assert sign_bundle(made, key=keys[0]) == made / SIGNATURE_NAME
    return made


def refusal(path: Path, key: Path, kind: type[BundleError] = TrustError) -> str:
    with pytest.raises(kind) as refused:
        Bundle.load(path, key=key)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def flip(file: Path, place: int = 3) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def test_a_signed_bundle_loads_with_the_key_and_without(signed: Path, keys: Keys) -> None:
    assert Bundle.load(signed, key=keys[1]).manifest == Bundle.load(signed).manifest
    assert (signed / SIGNATURE_NAME).stat().st_size == 64


def test_openssl_accepts_the_digital_signature_and_no_other(signed: Path, keys: Keys) -> None:
    manifest, signature = signed / "manifest.json", signed / SIGNATURE_NAME
    verify = (
        "pkeyutl",
        "-verify",
        "-rawin",
        "-pubin",
        "-inkey",
        keys[1],
        "-in",
        manifest,
        "-sigfile",
        signature,
    )
    assert b"Verified Successfully" in openssl(*verify)
    flip(signature)
    with pytest.raises(AssertionError):
        openssl(*verify)


def test_what_openssl_signs_is_accepted(made: Path, keys: Keys) -> None:
    openssl(
        *("pkeyutl", "-sign", "-rawin", "-inkey", keys[0]),
        *("-in", made / "manifest.json", "-out", made / SIGNATURE_NAME),
    )
    assert Bundle.load(made, key=keys[1])


def test_a_bundle_without_a_digital_signature_is_refused(made: Path, keys: Keys) -> None:
    assert "is not signed: it has no manifest.json.sig" in refusal(made, keys[1])


def test_another_key_is_refused_and_both_are_named(signed: Path, keys: Keys, tmp_path: Path) -> None:
    _, other = make_keys(tmp_path / "other")
    message = refusal(signed, other)
    assert "was not signed with key" in message
    assert describe_signing(signed).split()[5][:16] in message


@pytest.mark.parametrize("change", [{"checkpoint_sha256": "1" * 64}, {"name": "other"}, {"family": "dcgan"}])
def test_a_manifest_that_changed_is_refused(change: dict[str, str], signed: Path, keys: Keys) -> None:
    edit(signed, **change)
    assert "it or manifest.json.sig has changed since" in refusal(signed, keys[1])


def test_the_digital_signature_is_checked_before_the_manifest_is_parsed(signed: Path, keys: Keys) -> None:
    (signed / "manifest.json").write_bytes(b"{" * 100_000)
    assert "has changed since" in refusal(signed, keys[1])


@pytest.mark.parametrize("file", [GRAPH, "probes.safetensors"])
def test_a_file_that_changed_is_named(file: str, signed: Path, keys: Keys) -> None:
    flip(signed / file)
    assert f"{Path(file).name} has changed" in refusal(signed, keys[1], IntegrityError)


@pytest.mark.parametrize("size_bytes", [0, 63, 65, 4096])
def test_a_digital_signature_of_another_length_is_refused(size_bytes: int, signed: Path, keys: Keys) -> None:
    (signed / SIGNATURE_NAME).write_bytes(b"x" * size_bytes)
    assert f"has {size_bytes} bytes" in refusal(signed, keys[1])


def test_a_link_is_no_digital_signature(signed: Path, keys: Keys, tmp_path: Path) -> None:
    shutil.move(signed / SIGNATURE_NAME, tmp_path / "elsewhere")
    (signed / SIGNATURE_NAME).symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in refusal(signed, keys[1], IntegrityError)


def test_the_key_that_comes_with_a_bundle_proves_nothing(signed: Path) -> None:
    with pytest.raises(UsageError, match="comes with the bundle"):
        Bundle.load(signed, key=signed / SIGNER_NAME)


def test_another_public_key_beside_the_bundle_changes_nothing(
    signed: Path, keys: Keys, tmp_path: Path
) -> None:
    _, other = make_keys(tmp_path / "other")
    shutil.copy(other, signed / SIGNER_NAME)
    assert Bundle.load(signed, key=keys[1])
    assert "was not" in refusal(signed, other) or "is not what" in refusal(signed, other)


@pytest.mark.parametrize("left", [None, b"no key"])
def test_a_bundle_need_not_say_who_signed_it(left: bytes | None, signed: Path, keys: Keys) -> None:
    (signed / SIGNER_NAME).unlink()
    if left is not None:
        (signed / SIGNER_NAME).write_bytes(left)
    assert Bundle.load(signed, key=keys[1])
    assert "by whom the bundle does not say" in describe_signing(signed)


def test_only_a_bundle_whose_files_are_right_is_signed(made: Path, keys: Keys) -> None:
    flip(made / GRAPH)
    with pytest.raises(IntegrityError, match="has changed"):
        sign_bundle(made, key=keys[0])
    assert not signed_files(made)
    assert describe_signing(made) == "not signed"


def test_a_bundle_that_is_written_again_is_not_signed(signed: Path) -> None:
    with create_bundle(signed) as writer:
        writer.add(GRAPH, b"another graph")
        fields = {"name": "tiny", "family": "gan", "checkpoint_sha256": "0" * 64, "environment": {}}
        manifest = Bundle.load(make(signed.parent / "again")).manifest
        writer.finish(**fields, signature=manifest.signature, stages=manifest.stages, variants=(variant(),))
    assert describe_signing(signed) == "not signed"
    assert not (signed / SIGNER_NAME).exists()


@pytest.fixture
def part(signed: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a bundle of the signed one's graph alone, as a deployment holds it, its manifest changed as asked for."""

    def make_part(**changes: object) -> Path:
        whole = Bundle.load(signed)
        path = tmp_path / "part"
        path.mkdir()
        writer = BundleWriter(path)
        writer.add(GRAPH, whole.read(GRAPH))
        writer.finish(**{**whole.manifest.model_dump(exclude={"files", "schema_version"}), **changes})
        for name, content in signed_files(signed).items():
            (path / SIGNED_FOLDER).mkdir(exist_ok=True)
            (path / SIGNED_FOLDER / name).write_bytes(content)
        return path

    return make_part


def test_a_part_of_a_signed_bundle_is_signed(part: Callable[..., Path], keys: Keys) -> None:
    path = part()
    assert set(Bundle.load(path, key=keys[1]).manifest.files) == {GRAPH}
    assert "key" in describe_signing(path)


@pytest.mark.parametrize(
    "change",
    [
        {"checkpoint_sha256": "1" * 64},
        {"variants": (variant().model_copy(update={"batches": (1, 1, 1)}),)},
        {"environment": {"litho": "9"}},
    ],
)
def test_a_part_that_says_more_than_the_signed_whole_is_refused(
    change: dict[str, object], part: Callable[..., Path], keys: Keys
) -> None:
    assert "is not a part of" in refusal(part(**change), keys[1])


def test_a_part_with_a_file_of_its_own_is_refused(part: Callable[..., Path], keys: Keys) -> None:
    path = part()
    writer = BundleWriter(path)
    writer.add(GRAPH, b"another graph")
    document = json.loads((path / "manifest.json").read_text())
    edit(path, files={**document["files"], GRAPH: writer.files[GRAPH].model_dump()})
    assert Bundle.load(path)
    assert "is not a part of" in refusal(path, keys[1])
