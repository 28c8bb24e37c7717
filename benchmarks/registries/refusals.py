"""Faults in a registry, each planted into an upload of its own, and what `litho pull` says to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...bundle import sign_bundle
from ...bundle.keys import PrivateKey
from ...bundle.manifest import FileRecord
from ...bundle.probes import PROBES_NAME
from ...bundle.signing import MANIFEST_NAME, SIGNATURE_NAME, SIGNER_NAME
from ...errors import LithoError
from ...extras import require
from ...registry.packing import pack_bundle
from ...registry.pull import pull
from ...registry.push import push
from .documents import Refusal
from .kinds import Kind

__all__ = ["Fault", "make_key", "refusals"]


def make_key(path: Path) -> tuple[Path, Path]:
    """A new private key at a path, and its public one beside it."""
    serialization = require("cryptography.hazmat.primitives.serialization", "sign")
    ed25519 = require("cryptography.hazmat.primitives.asymmetric.ed25519", "sign")
    key = ed25519.Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    public = path.with_suffix(".pub")
    public.write_bytes(PrivateKey.read(path).public.to_pem())
    return path, public


def refusals(kind: Kind, bundle: Path, folder: Path) -> Iterator[Refusal]:
    """Plant every fault once, and mend it.

    Args:
        kind: the registry.
        bundle: a small one, which is copied.
        folder: for copies and keys.
    """
    private, public = make_key(folder / "signer.pem")
    _, other = make_key(folder / "other.pem")
    unsigned = Path(shutil.copytree(bundle, folder / "unsigned"))
    for name in (SIGNATURE_NAME, SIGNER_NAME):
        (unsigned / name).unlink(missing_ok=True)
    signed = Path(shutil.copytree(unsigned, folder / "signed"))
    sign_bundle(signed, key=private)
    graph = next(path for path in pack_bundle(unsigned).package.files if path.startswith("graphs/"))
    for path in (graph, PROBES_NAME, MANIFEST_NAME):
        yield _refusal(kind, unsigned, Fault(f"one changed byte of {path}", path, _flip), folder)
    yield _refusal(kind, unsigned, Fault("a removed graph", graph, lambda content: None), folder)
    yield _refusal(
        kind, unsigned, Fault("a graph that was cut short", graph, lambda content: content[:-1]), folder
    )
    yield _refusal(kind, unsigned, Fault("no digital signature", SIGNATURE_NAME), folder, public)
    yield _refusal(kind, signed, Fault("another signer", MANIFEST_NAME), folder, other)
    relisted = Fault("a changed graph, and a package that fits it", graph, _flip, relisted=True)
    yield _refusal(kind, signed, relisted, folder, public)


@dataclass(frozen=True)
class Fault:
    """Something wrong with an upload.

    Args:
        name: in words.
        file: that is touched, or that the message has to name.
        change: gives the content that the registry has from then on; None removes it. By default nothing is touched.
        relisted: change the package so that it fits.
    """

    name: str
    file: str
    change: Callable[[bytes], bytes | None] | None = None
    relisted: bool = False


def _refusal(kind: Kind, bundle: Path, fault: Fault, folder: Path, key: Path | None = None) -> Refusal:
    """Push a bundle, plant a fault, pull, and mend the fault."""
    name, target = "faulty", folder / "pulled"
    push(bundle, kind.address(name))
    packed = pack_bundle(bundle)
    before: dict[Path, bytes] = {}

    def write(sha256: str, content: bytes | None) -> None:
        file = kind.content(name, sha256)
        before[file] = file.read_bytes()
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)

    if fault.change is not None:
        changed = fault.change((bundle / fault.file).read_bytes())
        write(packed.package.files[fault.file].sha256, changed)
        if fault.relisted and changed is not None:
            files = {**packed.package.files, fault.file: FileRecord.of(changed)}
            package = packed.package.model_copy(update={"files": files})
            write(FileRecord.of(packed.package.to_bytes()).sha256, package.to_bytes())
    try:
        pull(kind.address(name), to=target, key=key)
        message = ""
    except LithoError as error:
        message = str(error).replace(str(folder), "FOLDER")
    found = Refusal(fault=fault.name, file=fault.file, message=message, left=target.exists())
    for file, content in before.items():
        file.write_bytes(content)
    shutil.rmtree(target, ignore_errors=True)
    return found


def _flip(content: bytes) -> bytes:
    """The content with one changed bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
