"""The package of a bundle or run on disk, with its digital signature and what its card is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..bundle import Bundle
from ..bundle.explanation import DOCUMENT_NAME as EXPLANATION_NAME, FOLDER as EXPLANATION, read_explanation
from ..bundle.json_documents import read_content
from ..bundle.keys import PrivateKey, PublicKey
from ..bundle.manifest import FileRecord
from ..bundle.names import valid_name
from ..bundle.signing import MANIFEST_NAME, SIGNATURE_NAME, read_signing, signed_files
from ..errors import IntegrityError, TrustError, UsageError
from ..files import ordinary_file, sha256
from .package import PACKAGE_NAME, PACKAGE_SIGNATURE, PACKAGE_SIGNER, RUN_DOCUMENTS, Package, parse_package
from .run_description import CHECKPOINT, SNAPSHOT_NAME, WEIGHTS_NAME, RunDescription, read_run

__all__ = ["Packed", "Upload", "pack", "pack_bundle", "pack_run"]


@dataclass(frozen=True)
class Upload:
    """One file on its way to a registry.

    Args:
        path: in the upload.
        record: its size and hash.
        source: the file, or its content.
    """

    path: str
    record: FileRecord
    source: Path | bytes

    @classmethod
    def of(cls, path: str, content: bytes) -> Upload:
        """An upload of content that is not on disk."""
        return cls(path, FileRecord.of(content), content)

    def open(self) -> BinaryIO:
        """The content, to read from its start."""
        import io

        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")


@dataclass(frozen=True)
class Packed:
    """What is to be pushed.

    Args:
        root: folder of the bundle or run.
        package: lists the files.
        uploads: the files of the package, and the package with its digital signature.
        bundle: the bundle; None for a run.
        run: description of the run; None for a bundle.
        signer: public key of the digital signature; None if there is none.
        notes: what the user should know.
    """

    root: Path
    package: Package
    uploads: tuple[Upload, ...]
    bundle: Bundle | None = None
    run: RunDescription | None = None
    signer: PublicKey | None = None
    notes: tuple[str, ...] = field(default=())


def pack(
    root: Path, *, key: Path | str | None = None, password: str | None = None, checkpoint: bool = False
) -> Packed:
    """Package a bundle or a run.

    Args:
        root: its folder.
        key, password: private key that signs a run.
        checkpoint: also send what a run needs to be resumed.

    Raises:
        UsageError: the folder holds neither, or an option does not fit what it holds.
        IntegrityError: a file is missing or has changed.
    """
    if (root / MANIFEST_NAME).exists():
        if key is not None:
            raise UsageError(
                f"{root} is a bundle, which is signed before it is pushed: litho sign {root} --key KEY"
            )
        if checkpoint:
            raise UsageError(
                f"--checkpoint is of runs, and {root} is a bundle; leave it out, or push the run"
            )
        return pack_bundle(root)
    if (root / SNAPSHOT_NAME).exists():
        return pack_run(root, key=key, password=password, checkpoint=checkpoint)
    raise UsageError(
        f"{str(root)!r} is neither a bundle nor a finished run; expected a folder with {MANIFEST_NAME}, made by"
        f" 'litho export', or with {SNAPSHOT_NAME}, made by 'litho train'"
    )


def pack_bundle(root: Path) -> Packed:
    """Package a bundle, all of whose files are as its manifest says.

    Raises:
        BundleError: a file is missing or has changed.
    """
    bundle = Bundle.load(root)
    contents = {MANIFEST_NAME: read_content(root, MANIFEST_NAME), **signed_files(root)}
    signer = _signer_of(root, contents) if len(contents) > 1 else None
    files = {name: FileRecord.of(content) for name, content in contents.items()} | bundle.manifest.files
    package = Package(kind="bundle", name=bundle.manifest.name, files=dict(sorted(files.items())))
    return Packed(root, package, _uploads(root, package, contents), bundle=bundle, signer=signer)


def _signer_of(root: Path, contents: dict[str, bytes]) -> PublicKey | None:
    """The key that a signed bundle names; None if it names none.

    Raises:
        TrustError: the bundle was changed after it had been signed.
    """
    signing = read_signing(root)
    signer = signing.signer if signing else None
    if signer is not None and not signer.signed(contents[MANIFEST_NAME], contents[SIGNATURE_NAME]):
        raise TrustError(
            f"{root} has changed since it was signed; sign it again: litho sign {root} --key KEY"
        )
    return signer


def pack_run(
    root: Path, *, key: Path | str | None = None, password: str | None = None, checkpoint: bool = False
) -> Packed:
    """Package a finished run: its snapshot, recipe, figures, last samples and explanation.

    The package of a run that was pulled has the digital signature that came with it, if nothing has changed since.

    Raises:
        CheckpointError, SchemaError: the snapshot is not complete, or of a newer litho.
        IntegrityError: the weights have changed since they were described.
        UsageError: there is no checkpoint, or the key cannot be used.
    """
    run = read_run(root)
    paths = [SNAPSHOT_NAME, WEIGHTS_NAME, *(name for name in RUN_DOCUMENTS if (root / name).exists())]
    if run.samples is not None:
        paths.append(run.samples)
    if (root / EXPLANATION / EXPLANATION_NAME).exists():
        paths += [f"{EXPLANATION}/{name}" for name in read_explanation(root / EXPLANATION)[1]]
    if checkpoint:
        held = sorted(path for path in (root / CHECKPOINT).glob("*") if not path.name.startswith("."))
        if not held:
            raise UsageError(f"{root} has no checkpoint to send; leave out --checkpoint")
        paths += [f"{CHECKPOINT}/{path.name}" for path in held]
    files = {path: _record(ordinary_file(root, path)) for path in paths}
    if files[WEIGHTS_NAME].sha256 != run.weights_sha256:
        raise IntegrityError(
            f"{root / WEIGHTS_NAME} has changed: its SHA-256 is not the one in {SNAPSHOT_NAME}; copy it again"
        )
    package = Package(kind="run", name=valid_name(root.resolve().name), files=dict(sorted(files.items())))
    package, signature, signer, notes = _signed(root, package, key, password)
    uploads = (*_uploads(root, package, {}), *(Upload.of(*item) for item in signature.items()))
    return Packed(root, package, uploads, run=run, signer=signer, notes=notes)


def _signed(
    root: Path, package: Package, key: Path | str | None, password: str | None
) -> tuple[Package, dict[str, bytes], PublicKey | None, tuple[str, ...]]:
    """The package with its digital signature: a new one, or that which lies in the folder and still fits."""
    if key is not None:
        private = PrivateKey.read(key, password)
        signature = {
            PACKAGE_SIGNATURE: private.sign(package.to_bytes()),
            PACKAGE_SIGNER: private.public.to_pem(),
        }
        return package, signature, private.public, ()
    if not all((root / name).exists() for name in (PACKAGE_NAME, PACKAGE_SIGNATURE, PACKAGE_SIGNER)):
        return package, {}, None, ()
    content = read_content(root, PACKAGE_NAME)
    found = {name: read_content(root, name) for name in (PACKAGE_SIGNATURE, PACKAGE_SIGNER)}
    # A folder may be renamed; the name in the package is covered by the digital signature.
    said = parse_package(root, content)
    if said.files != package.files or content != said.to_bytes():
        return (
            package,
            {},
            None,
            (f"{root} is no longer what was signed; sign it with --key, or push it unsigned",),
        )
    return said, found, PublicKey.read(ordinary_file(root, PACKAGE_SIGNER)), ()


def _uploads(root: Path, package: Package, contents: dict[str, bytes]) -> tuple[Upload, ...]:
    files = (Upload(path, record, contents.get(path, root / path)) for path, record in package.files.items())
    return (*files, Upload.of(PACKAGE_NAME, package.to_bytes()))


def _record(path: Path) -> FileRecord:
    return FileRecord(sha256=sha256(path), size_bytes=path.stat().st_size)
