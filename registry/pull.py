"""`litho pull`: a bundle or run from a registry, put in place when all of it was compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..bundle import Bundle
from ..bundle.json_documents import MAX_DOCUMENT_BYTES
from ..bundle.keys import SIGNATURE_BYTES, PublicKey
from ..bundle.manifest import FileRecord
from ..bundle.signing import MANIFEST_NAME, SIGNATURE_NAME, SIGNER_NAME, read_manifest
from ..errors import BundleError, IntegrityError, RegistryError, TrustError, UsageError
from ..files import check_parent, confined, sha256
from ..reporting import human_bytes
from ..reporting.progress import Progress, quiet
from .address import check_plain_http, parse_address
from .base import Remote, unfinished
from .opening import open_registry
from .package import (
    PACKAGE_NAME,
    PACKAGE_SIGNATURE,
    PACKAGE_SIGNER,
    Kind,
    Package,
    check_manifest,
    parse_package,
)
from .run_description import SNAPSHOT_NAME, WEIGHTS_NAME, read_run
from .transfer import Staging, install, read_small, staging

__all__ = ["MOST_BYTES", "Pulled", "pull"]

MOST_BYTES = 64 << 30
"""Largest upload that is pulled by default."""

_MOST_PEM_BYTES = 64 << 10
_FOLDERS: dict[Kind, str] = {"bundle": "bundles", "run": "runs"}
_SIGNED = (MANIFEST_NAME, SIGNATURE_NAME, SIGNER_NAME)


@dataclass(frozen=True)
class Pulled:
    """The outcome of a pull.

    Args:
        kind: "bundle" or "run".
        path: its folder.
        address: that names exactly this upload, with a commit or a digest.
        received_bytes: that came over the network; less than the size if an earlier attempt had a part.
        size_bytes: of all files.
        signed: whether its digital signature was checked.
    """

    kind: Kind
    path: Path
    address: str
    received_bytes: int
    size_bytes: int
    signed: bool


def pull(  # noqa: PLR0913
    address: str,
    *,
    to: Path | str | None = None,
    revision: str | None = None,
    key: PublicKey | Path | str | None = None,
    replace: bool = False,
    plain_http: bool = False,
    most_bytes: int = MOST_BYTES,
    progress: Progress = quiet,
) -> Pulled:
    """Get a bundle or run from a registry; it is there when every file was compared, and not before.

        >>> pushed = push_model("bundles/digits", "file://hub/me/digits")
        >>> pulled = pull_model("file://hub/me/digits", to="copies/digits")
        >>> pulled.kind, pulled.path, pulled.address == pushed.address
        ('bundle', PosixPath('copies/digits'), True)

    A pull that was stopped continues where it was when it is called again. Size and SHA-256 of every file must be
    those of the upload's package, which must be complete. Nothing that comes is run.

    Args:
        address: hf://OWNER/NAME, file://FOLDER/OWNER/NAME, oci://HOST/NAME:TAG or oci://HOST/NAME@sha256:DIGEST.
        to: folder to make; by default bundles/NAME or runs/NAME, by the name in the package.
        revision: branch, tag or commit of the hub.
        key: public key, or its PEM file: the upload must be signed with the private key of the pair, a bundle by its
            manifest and a run by its package. This is checked before anything large is read.
        replace: replace a bundle or run at `to` that is another one.
        plain_http: speak to an OCI registry of another machine without TLS.
        most_bytes: largest upload that is read.
        progress: called with the current step and the share that is done, 0 to 1.

    Returns:
        What was pulled; if the same is already there, nothing is read but its package.

    Raises:
        UsageError: the address, key or folder cannot be used.
        MissingExtra: the client of this kind of registry is not installed.
        RegistryError: there is no such upload, it is not finished, or the registry cannot be reached or refuses.
        TrustError: it is not signed, or not with this key.
        IntegrityError: a file is not what the package says.
        SchemaError: a newer litho wrote the package.
    """
    trusted = key if key is None or isinstance(key, PublicKey) else PublicKey.read(key)
    if to is not None:
        check_parent(Path(to), "--to")
    where = parse_address(address, revision)
    check_plain_http(where, plain_http)
    progress(f"opening {where}", 0.0)
    with closing(open_registry(where, plain_http=plain_http).open()) as remote:
        return _pull(remote, None if to is None else Path(to), trusted, replace, most_bytes, progress)


def _pull(
    remote: Remote, to: Path | None, key: PublicKey | None, replace: bool, most_bytes: int, progress: Progress
) -> Pulled:
    content = _package_content(remote)
    package = parse_package(remote.address, content)
    if key is not None:
        _check_signed(remote, package, content, key)
    _check_listing(remote, package, most_bytes)
    target = to or Path(_FOLDERS[package.kind], package.name)
    outcome = (package.kind, target, remote.address)
    if _is_there(target, package):
        if key is not None and package.kind == "bundle":
            read_manifest(target, key)
        return Pulled(*outcome, 0, package.size_bytes, key is not None)
    _check_target(target, replace)
    with staging(target, remote, hashlib.sha256(content).hexdigest(), package.size_bytes) as staged:
        received = _fetch(staged, package, remote, key, progress)
        if package.kind == "run":
            _add_package(staged, remote, content)
        with _named_by_address(remote, staged.content):
            _check_whole(staged.content, package, key)
        install(staged, target)
    return Pulled(*outcome, received, package.size_bytes, key is not None)


def _package_content(remote: Remote) -> bytes:
    if PACKAGE_NAME not in remote.files:
        raise RegistryError(
            f"{remote.address} holds no whole bundle or run of litho: it has no {PACKAGE_NAME}; push it with"
            " 'litho push', which writes that"
        )
    return read_small(remote, PACKAGE_NAME, MAX_DOCUMENT_BYTES)


def _check_signed(remote: Remote, package: Package, content: bytes, key: PublicKey) -> None:
    """Refuse a run whose package was not signed with a key, and a bundle without a digital signature.

    That of a bundle covers its manifest, and is checked when that has come.
    """
    name, remedy = (
        (SIGNATURE_NAME, "signs it with 'litho sign', then pushes it again")
        if package.kind == "bundle"
        else (PACKAGE_SIGNATURE, "pushes it again with --key")
    )
    if name not in (package.files if package.kind == "bundle" else remote.files):
        raise TrustError(f"{remote.address} is not signed: it has no {name}; its maker {remedy}")
    if package.kind == "bundle":
        return
    signature = read_small(remote, name, _MOST_PEM_BYTES)
    if len(signature) != SIGNATURE_BYTES or not key.signed(content, signature):
        raise TrustError(
            f"{remote.address}: {PACKAGE_NAME} is not what key {key.fingerprint[:16]} signed; give the signer's public"
            " key, or do not use it"
        )


def _check_listing(remote: Remote, package: Package, most_bytes: int) -> None:
    """Refuse an upload that is too large, lacks a file, or of which the registry itself says something else."""
    if package.size_bytes > most_bytes:
        raise RegistryError(
            f"{remote.address} has {human_bytes(package.size_bytes)}, at most {human_bytes(most_bytes)} are read;"
            " raise --most-gib if you want it"
        )
    for path, record in package.files.items():
        held = remote.files.get(path)
        if held is None:
            raise unfinished(remote.address, path)
        if held.size_bytes != record.size_bytes:
            raise IntegrityError(
                f"{remote.address}: {path} has {held.size_bytes} bytes, its package says {record.size_bytes}; it was"
                " not pushed whole, or has changed: its maker pushes it again"
            )
        if held.sha256 not in (None, record.sha256):
            raise IntegrityError(
                f"{remote.address}: {path} has changed: its SHA-256 is not the one in the package; do not use it"
            )


def _is_there(target: Path, package: Package) -> bool:
    """Whether the folder holds exactly these files already."""
    return target.is_dir() and all(
        (file := confined(target, path)).is_file()
        and file.stat().st_size == record.size_bytes
        and sha256(file) == record.sha256
        for path, record in package.files.items()
    )


def _check_target(target: Path, replace: bool) -> None:
    if target.is_symlink() and not target.exists():
        raise UsageError(f"{str(target)!r} is a link that leads nowhere; give another folder with --to")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not any((target / name).exists() for name in (MANIFEST_NAME, SNAPSHOT_NAME)):
        raise UsageError(
            f"{str(target)!r} is there and is neither a bundle nor a run; give another folder with --to"
        )
    if not replace:
        raise UsageError(
            f"{str(target)!r} is there and is another one; give --replace, or another folder with --to"
        )


def _fetch(
    staged: Staging, package: Package, remote: Remote, key: PublicKey | None, progress: Progress
) -> int:
    """Get all files, those first that decide whether the others are wanted."""
    total, done, received = package.size_bytes or 1, 0, 0
    first = [path for path in _SIGNED if path in package.files and package.kind == "bundle"]
    for path in [*first, *(path for path in package.files if path not in first)]:
        record: FileRecord = package.files[path]
        step = f"getting {path}"
        progress(step, done / total)
        received += staged.fetch(path, record, partial(_report, progress, step, done, total))
        done += record.size_bytes
        if first and path == first[-1]:
            with _named_by_address(remote, staged.content):
                manifest = read_manifest(staged.content, key)
            check_manifest(package, manifest, remote.address)
    return received


@contextmanager
def _named_by_address(remote: Remote, folder: Path) -> Iterator[None]:
    """Name the upload in place of the folder that it was read into, which is removed."""
    try:
        yield
    except BundleError as error:
        text = str(error).replace(f"{folder}/", f"{remote.address}: ").replace(str(folder), remote.address)
        raise type(error)(text) from error


def _report(progress: Progress, step: str, done: int, total: int, have: int) -> None:
    progress(step, (done + have) / total)


def _add_package(staged: Staging, remote: Remote, content: bytes) -> None:
    """Put the package of a run beside it, with its digital signature, so that the run can be pushed on as it is."""
    staged.write(PACKAGE_NAME, content)
    for name in (PACKAGE_SIGNATURE, PACKAGE_SIGNER):
        if name in remote.files:
            staged.write(name, read_small(remote, name, _MOST_PEM_BYTES))


def _check_whole(folder: Path, package: Package, key: PublicKey | None) -> None:
    """Read the result as later stages do."""
    if package.kind == "bundle":
        Bundle.load(folder, key=key)
    elif read_run(folder).weights_sha256 != package.files[WEIGHTS_NAME].sha256:
        raise IntegrityError(f"{WEIGHTS_NAME} is not what {SNAPSHOT_NAME} describes; do not use this upload")
