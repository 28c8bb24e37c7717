"""A bundle: a directory of graphs, engines and probes, with a manifest that lists every file by size and SHA-256.

Layout of `bundles/<name>/`:

    manifest.json                          `manifest.Manifest`
    graphs/<stage>.<precision>.onnx
    engines/<stage>.<precision>.<target>.rtx | .plan, beside each its .log and .layers.json
    engines/build-engine.sh                builds on another machine the engines that could not be built here
    tokenizer.json                         of a generator that takes prompts
    probes.safetensors                     inputs, and the pictures that PyTorch FP32 makes of them
    report.html

A generator is one graph, or several stages that a sampler runs in turn.

A file is opened only if the manifest lists it, its size and SHA-256 match, and it is an ordinary file inside the
directory. This module knows neither torch nor any runtime.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import BundleError, IntegrityError, UnknownName
from ..files import confined, ordinary_file, write_bytes, write_directory
from .json_documents import read_as
from .manifest import SCHEMA_VERSION, FileRecord, Manifest, Stage, Variant
from .probes import PROBES_NAME, Probes

__all__ = ["MANIFEST_NAME", "REPORT_NAME", "Bundle", "BundleWriter", "create_bundle"]

MANIFEST_NAME = "manifest.json"
REPORT_NAME = "report.html"

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
    def load(cls, path: Path | str) -> Bundle:
        """Read the manifest at `path` and check every listed file.

        Raises:
            BundleError: there is no bundle at `path`, or its manifest is not valid.
            SchemaError: the manifest was written by a newer litho.
            IntegrityError: a file is missing, has changed, or is a link; the message names it.
        """
        root = Path(path)
        if not (root / MANIFEST_NAME).exists():
            raise BundleError(f"no bundle at {root}: it has no {MANIFEST_NAME}; make one with 'litho export'")
        bundle = cls(root, read_as(Manifest, "a manifest", root, MANIFEST_NAME, SCHEMA_VERSION))
        for relative in bundle.manifest.files:
            bundle.read(relative)
        return bundle

    def read(self, relative: str) -> bytes:
        """The content of a listed file; the bytes returned are those whose hash was checked.

        Raises:
            IntegrityError: the file is not listed, missing, has changed, or is a link.
        """
        record = self.manifest.files.get(relative)
        if record is None:
            raise IntegrityError(f"{relative!r} is not listed in {self.path / MANIFEST_NAME}")
        file = ordinary_file(self.path, relative)
        # The size is compared first: a huge file put in its place is never read.
        size = file.stat().st_size
        if size != record.size_bytes:
            raise IntegrityError(
                f"{file} has {size} bytes, the manifest says {record.size_bytes}; export the bundle again"
            )
        content = file.read_bytes()
        if FileRecord.of(content) != record:
            raise IntegrityError(
                f"{file} has changed: its SHA-256 is not the one in the manifest; export the bundle again"
            )
        return content

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


def _named(kind: str, name: str, given: tuple[_Named, ...]) -> _Named:
    for one in given:
        if one.name == name:
            return one
    raise UnknownName(kind, name, [one.name for one in given])
