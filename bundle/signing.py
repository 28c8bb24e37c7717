"""Sign a bundle: Ed25519 over the exact bytes of `manifest.json`, which lists every file by size and SHA-256.

Two files beside the manifest, which does not list them:

    manifest.json.sig    the digital signature, 64 bytes
    manifest.json.pub    the public key of the signer, PEM; says who claims to have signed, and is never trusted

A deployment holds a part of a bundle: its own manifest lists what is served. The signed manifest of the whole lies in
`signed/`, and every line of the part must be in it.

    openssl pkeyutl -verify -rawin -pubin -inkey public.pem -in manifest.json -sigfile manifest.json.sig
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import IntegrityError, TrustError, UsageError
from ..files import ordinary_file, write_bytes
from .json_documents import parse_as, read_content
from .keys import SIGNATURE_BYTES, PrivateKey, PublicKey
from .manifest import SCHEMA_VERSION, Manifest

__all__ = [
    "MANIFEST_NAME",
    "SIGNATURE_NAME",
    "SIGNED_FOLDER",
    "SIGNER_NAME",
    "Signing",
    "describe_signing",
    "parse_manifest",
    "read_manifest",
    "read_signing",
    "sign",
    "signed_files",
    "signed_folder",
]

MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = f"{MANIFEST_NAME}.sig"
SIGNER_NAME = f"{MANIFEST_NAME}.pub"
SIGNED_FOLDER = "signed"


@dataclass(frozen=True)
class Signing:
    """What a bundle says about its digital signature; nothing is checked.

    Args:
        signer: the public key that lies beside it; None if there is none, or no readable one.
    """

    signer: PublicKey | None


def sign(manifest: bytes, root: Path, key: PrivateKey) -> None:
    """Write the digital signature of a manifest, and the public key, into the bundle at `root`.

    Args:
        manifest: content of `manifest.json`.
        root: directory of the bundle.
        key: of the signer.
    """
    write_bytes(root / SIGNER_NAME, key.public.to_pem())
    write_bytes(root / SIGNATURE_NAME, key.sign(manifest))


def signed_folder(root: Path) -> Path:
    """The folder with the signed manifest of the bundle at `root`: a deployed part has it apart."""
    return root / SIGNED_FOLDER if (root / SIGNED_FOLDER).is_dir() else root


def signed_files(root: Path) -> dict[str, bytes]:
    """Signed manifest and digital signature of the bundle at `root`, name -> content; empty if it is not signed."""
    folder = signed_folder(root)
    if not (folder / SIGNATURE_NAME).exists():
        return {}
    names = [name for name in (MANIFEST_NAME, SIGNATURE_NAME, SIGNER_NAME) if (folder / name).exists()]
    return {name: read_content(folder, name) for name in names}


def read_signing(root: Path) -> Signing | None:
    """What the bundle at `root` says about its digital signature; None if it is not signed."""
    folder = signed_folder(root)
    if not (folder / SIGNATURE_NAME).exists():
        return None
    try:
        return Signing(PublicKey.read(ordinary_file(folder, SIGNER_NAME)))
    except (IntegrityError, UsageError):
        return Signing(None)


def describe_signing(root: Path) -> str:
    """One sentence on the digital signature of the bundle at `root`, which is not checked."""
    signing = read_signing(root)
    if signing is None:
        return "not signed"
    check = "check that with 'litho verify BUNDLE --key public.pem'"
    if signing.signer is None:
        return f"signed, by whom the bundle does not say; {check}"
    return f"signed, it says, with key {signing.signer.fingerprint}; {check}"


def read_manifest(root: Path, key: PublicKey | None = None) -> Manifest:
    """Read the manifest at `root`; with a key, only if it was signed with the private one of the pair.

    The digital signature is checked before any of the manifest is parsed.

    Raises:
        TrustError: it is not signed, or not with this key.
        SchemaError: it is not a manifest, or a newer litho wrote it.
        IntegrityError: a file is not an ordinary one.
    """
    folder = signed_folder(root)
    if key is None:
        return parse_manifest(root, read_content(root, MANIFEST_NAME))
    whole = parse_manifest(folder, _signed_content(folder, key))
    if folder == root:
        return whole
    part = parse_manifest(root, read_content(root, MANIFEST_NAME))
    if not _is_part(part, whole):
        raise TrustError(
            f"{root / MANIFEST_NAME} is not a part of {folder / MANIFEST_NAME}, which was signed; deploy again"
        )
    return part


def _signed_content(folder: Path, key: PublicKey) -> bytes:
    """The bytes of the manifest, whose digital signature was checked."""
    if not (folder / SIGNATURE_NAME).exists():
        raise TrustError(
            f"{folder} is not signed: it has no {SIGNATURE_NAME}; its maker signs it with 'litho sign {folder}"
            " --key private.pem'"
        )
    content = read_content(folder, MANIFEST_NAME)
    signature = read_content(folder, SIGNATURE_NAME)
    if len(signature) != SIGNATURE_BYTES:
        raise TrustError(
            f"{folder / SIGNATURE_NAME} has {len(signature)} bytes; a digital signature has {SIGNATURE_BYTES}:"
            " sign the bundle again"
        )
    if not key.signed(content, signature):
        raise TrustError(f"{folder / MANIFEST_NAME} {_why_not(folder, key)}")
    return content


def _why_not(folder: Path, key: PublicKey) -> str:
    claimed = read_signing(folder)
    wanted = f"key {key.fingerprint[:16]}"
    if claimed is None or claimed.signer is None or claimed.signer == key:
        return (
            f"is not what {wanted} signed: it or {SIGNATURE_NAME} has changed since; get the bundle from its signer"
            " again"
        )
    return (
        f"was not signed with {wanted} but, as it says, with {claimed.signer.fingerprint[:16]}; give the signer's"
        " public key, or do not use the bundle"
    )


def parse_manifest(folder: Path, content: bytes) -> Manifest:
    """The manifest in the content of `manifest.json` in a folder.

    Raises:
        SchemaError: it is no manifest, or a newer litho wrote it.
    """
    return parse_as(Manifest, "a manifest", folder / MANIFEST_NAME, content, SCHEMA_VERSION)


def _is_part(part: Manifest, whole: Manifest) -> bool:
    """Whether all that a manifest says, the whole one says too."""
    return (
        part.files.items() <= whole.files.items()
        and all(variant in whole.variants for variant in part.variants)
        and part == whole.model_copy(update={"files": part.files, "variants": part.variants})
    )
