"""A bundle: a directory of graphs, engines and probes, with a manifest that lists every file by size and SHA-256.

Layout of `bundles/<name>/`:

    manifest.json                          `manifest.Manifest`
    graphs/<stage>.<precision>.onnx        beside one of 2 GiB and more its weights, in .onnx.data
    engines/<stage>.<precision>.<target>.rtx | .plan, beside each its .log and .layers.json
    engines/build-engine.sh                builds on another machine the engines that could not be built here
    tokenizer.json                         of a generator that takes prompts
    explanation/                           of a run that has one: `explanation`
    probes.safetensors                     inputs, and the pictures that PyTorch FP32 makes of them
    report.html
    manifest.json.sig, manifest.json.pub   of a signed bundle: `signing`

A generator is one graph, or several stages that a sampler runs in turn.

A file is opened only if the manifest lists it, its size and SHA-256 match, and it is an ordinary file inside the
directory. This module knows neither torch nor any runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from ..errors import BundleError, IntegrityError, UnknownName, UsageError
from ..files import confined, ordinary_file, sha256, write_bytes, write_directory
from .external_graph import ExternalGraph
from .json_documents import read_content
from .keys import PrivateKey, PublicKey
from .manifest import FileRecord, Manifest, Stage, Variant
from .probes import PROBES_NAME, Probes
from .signing import MANIFEST_NAME, SIGNATURE_NAME, parse_manifest, read_manifest, sign

__all__ = ["MANIFEST_NAME", "REPORT_NAME", "Bundle", "BundleWriter", "create_bundle", "sign_bundle"]

REPORT_NAME = "report.html"

_CHUNK = 1 << 24

_Named = TypeVar("_Named", Variant, Stage)


class Bundle:
    """A bundle on disk whose files have been checked against its manifest.

        >>> bundle = Bundle.load("bundles/digits")
        >>> [(variant.name, variant.verdict.status) for variant in bundle.manifest.variants]
        [('generator.fp32.onnx', 'passed')]

    Args:
        path: the bundle's directory.
        manifest: its contents and provenance.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest

    def __repr__(self) -> str:
        manifest = self.manifest
        variants = ", ".join(map(repr, manifest.variants))
        recommended = ", ".join(manifest.recommended) or "none"
        return f"<Bundle {manifest.name!r} of {manifest.family}: {variants}; recommended: {recommended}>"

    @classmethod
    def load(cls, path: Path | str, *, key: PublicKey | Path | str | None = None) -> Bundle:
        """Read the manifest at `path` and check every listed file.

        Args:
            path: the bundle's directory.
            key: public key of the signer, or its PEM file; the digital signature is checked before anything else. By
                default a signature is not looked at.

        Raises:
            BundleError: there is no bundle at `path`, or its manifest is not valid.
            TrustError: it is not signed, or not with this key.
            UsageError: the key cannot be used.
            SchemaError: the manifest was written by a newer litho.
            IntegrityError: a file is missing, has changed, or is a link; the message names it.
        """
        root = _existing(path)
        return cls(root, read_manifest(root, _trusted(key, root)))._checked()

    def _checked(self) -> Bundle:
        for relative, record in self.manifest.files.items():
            file = self._file(relative)
            if sha256(file) != record.sha256:
                raise _changed(file)
        return self

    def read(self, relative: str) -> bytes:
        """The content of a listed file; the bytes returned are those whose hash was checked.

        Raises:
            IntegrityError: the file is not listed, missing, has changed, or is a link.
        """
        file = self._file(relative)
        content = file.read_bytes()
        if FileRecord.of(content) != self.manifest.files[relative]:
            raise _changed(file)
        return content

    def read_graph(self, variant: Variant) -> bytes:
        """The content of a variant's ONNX file, with that of its weights if they lie beside it; see `read`."""
        graph, *weights = variant.paths(self.manifest.files)
        content = self.read(graph)
        if not weights:
            return content
        return ExternalGraph(content, {PurePosixPath(path).name: self.read(path) for path in weights})

    def _file(self, relative: str) -> Path:
        """The path of a listed file, which has the size that is listed."""
        record = self.manifest.files.get(relative)
        if record is None:
            raise IntegrityError(f"{relative!r} is not listed in {self.path / MANIFEST_NAME}")
        file = ordinary_file(self.path, relative)
        # The size is compared first: a huge file put in its place is never read.
        size = file.stat().st_size
        if size != record.size_bytes:
            raise IntegrityError(
                f"{file} has {size} bytes, the manifest says {record.size_bytes}; copy, pull or export the bundle"
                " again"
            )
        return file

    def variant(self, name: str) -> Variant:
        """The variant called `name`.

        Raises:
            UnknownName: there is none.
        """
        return _named("variant", name, self.manifest.variants)

    def stage(self, name: str) -> Stage:
        """The stage called `name`.

        Raises:
            UnknownName: there is none.
        """
        return _named("stage", name, self.manifest.stages)

    def probes(self) -> Probes:
        """The bank of probes."""
        return Probes.from_bytes(self.read(PROBES_NAME))


class BundleWriter:
    """Writes the files of a bundle, and its manifest last; `create_bundle` gives one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.files: dict[str, FileRecord] = {}

    def add(self, relative: str, content: bytes) -> None:
        """Write one file and list it."""
        target = confined(self._path, relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self.files[relative] = FileRecord.of(content)

    def add_parts(self, relative: str, parts: Iterable[bytes]) -> None:
        """Write one file piece by piece and list it."""
        target = confined(self._path, relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with target.open("wb") as file:
            for part in parts:
                digest.update(part)
                size += file.write(part)
        self.files[relative] = FileRecord(sha256=digest.hexdigest(), size_bytes=size)

    def copy(self, bundle: Bundle, relative: str, name: str | None = None) -> None:
        """Copy a listed file of another bundle.

        Args:
            bundle: the other one.
            relative: path of the file in it.
            name: path of the copy; by default the same.

        Raises:
            IntegrityError: the file is not listed, missing, has changed, or is a link.
        """
        file = bundle._file(relative)
        with file.open("rb") as opened:
            self.add_parts(name or relative, iter(partial(opened.read, _CHUNK), b""))
        if self.files[name or relative] != bundle.manifest.files[relative]:
            raise _changed(file)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the bundle's disk, which is no part of the bundle and is removed when the block ends."""
        with TemporaryDirectory(dir=self._path, prefix=".") as folder:
            yield Path(folder)

    def draft(self, **fields: Any) -> Bundle:
        """The bundle so far, to read from before it is finished; `fields` as for `finish`."""
        return Bundle(self._path, Manifest(files=dict(sorted(self.files.items())), **fields))

    def finish(self, **fields: Any) -> Manifest:
        """Write the manifest; `fields` are those of `Manifest` without `files`."""
        manifest = self.draft(**fields).manifest
        write_bytes(self._path / MANIFEST_NAME, manifest.model_dump_json(indent=2) + "\n")
        return manifest


@contextmanager
def create_bundle(path: Path) -> Iterator[BundleWriter]:
    """Write a bundle at `path`; it replaces the old one when the block ends, and only if there was no error."""
    with write_directory(path) as temporary:
        yield BundleWriter(temporary)


def sign_bundle(bundle: Path | str, *, key: Path | str, password: str | None = None) -> Path:
    """Sign a bundle whose files are all as its manifest says: Ed25519 over the bytes of the manifest.

        >>> sign_model("bundles/digits", key="private.pem")
        PosixPath('bundles/digits/manifest.json.sig')

    The manifest binds graphs, engines, probes, tokenizer and report by their hashes, and holds the hash of the weights
    and every verdict. Whatever changes the bundle, such as an export or `litho build-engine`, needs a new signature.

    Args:
        bundle: the bundle's directory.
        key: PEM file of an Ed25519 private key, as `openssl genpkey -algorithm ed25519` writes it.
        password: of an encrypted key.

    Returns:
        The file of the digital signature, 64 bytes. Beside it lies the public key, for `litho inspect`.

    Raises:
        UsageError: the key cannot be used.
        MissingExtra: `cryptography` is not installed.
        BundleError: there is no valid bundle at that path, or a file has changed.
    """
    root = _existing(bundle)
    private = PrivateKey.read(key, password)
    content = read_content(root, MANIFEST_NAME)
    Bundle(root, parse_manifest(root, content))._checked()
    sign(content, root, private)
    return root / SIGNATURE_NAME


def _changed(file: Path) -> IntegrityError:
    return IntegrityError(
        f"{file} has changed: its SHA-256 is not the one in the manifest; copy, pull or export the bundle again"
    )


def _existing(path: Path | str) -> Path:
    root = Path(path)
    if not (root / MANIFEST_NAME).exists():
        raise BundleError(f"no bundle at {root}: it has no {MANIFEST_NAME}; make one with 'litho export'")
    return root


def _trusted(key: PublicKey | Path | str | None, root: Path) -> PublicKey | None:
    if key is None or isinstance(key, PublicKey):
        return key
    if Path(key).resolve().is_relative_to(root.resolve()):
        raise UsageError(
            f"{key} comes with the bundle that it is to check; give a key that its signer gave you"
        )
    return PublicKey.read(key)


def _named(kind: str, name: str, given: tuple[_Named, ...]) -> _Named:
    for one in given:
        if one.name == name:
            return one
    raise UnknownName(kind, name, [one.name for one in given])
