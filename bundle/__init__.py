"""What travels between stages: a directory of graphs, engines, probes and a manifest that vouches for them.

Layout of `bundles/<name>/`:

    manifest.json                          `manifest.Manifest`
    graphs/<stage>.<precision>.onnx
    engines/<stage>.<precision>.<target>.rtx | .plan, beside each its .log and .layers.json
    engines/build-engine.sh                makes, on another machine, what could not be made here
    tokenizer.json                         of a generator that takes prompts
    probes.safetensors                     inputs, and the pictures that PyTorch FP32 made from them
    report.html

A generator is one graph, or several stages that a sampler runs in turn.

Nothing is opened that the manifest does not list with its size and SHA-256, and nothing that is not an ordinary
file inside the directory. This module knows neither torch nor any runtime.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import BundleError, IntegrityError, SchemaError, UnknownName
from ..files import confined, ordinary_file, write_bytes, write_directory
from .json_documents import read_document
from .manifest import SCHEMA_VERSION, FileRecord, Manifest, Stage, Variant
from .probes import PROBES_NAME, Probes

__all__ = ["MANIFEST_NAME", "REPORT_NAME", "Bundle", "BundleWriter", "create_bundle"]

MANIFEST_NAME = "manifest.json"
REPORT_NAME = "report.html"


class Bundle:
    """A bundle on disk whose files have been checked against its manifest.

        >>> bundle = Bundle.load("bundles/digits")
        >>> [(variant.name, variant.verdict.status) for variant in bundle.manifest.variants]
        [('generator.fp32.onnx', 'passed')]

    Args:
        path: the bundle's directory.
        manifest: what it says of itself.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest

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
            raise BundleError(
                f"no bundle at {root}: there is no {MANIFEST_NAME}; make one with 'litho export'"
            )
        document = read_document(root, MANIFEST_NAME, SCHEMA_VERSION)
        try:
            bundle = cls(root, Manifest.model_validate_json(json.dumps(document)))
        except ValidationError as error:
            raise SchemaError(
                f"{root / MANIFEST_NAME} is not a manifest: {_first_complaint(error)}"
            ) from None
        for relative in bundle.manifest.files:
            bundle.read(relative)
        return bundle

    def read(self, relative: str) -> bytes:
        """The content of a listed file, checked: what is returned is what was hashed.

        Raises:
            IntegrityError: the file is not listed, missing, has changed, or is a link.
        """
        record = self.manifest.files.get(relative)
        if record is None:
            raise IntegrityError(f"{relative!r} is not listed in {self.path / MANIFEST_NAME}")
        file = ordinary_file(self.path, relative)
        # The size is compared first, so that a swapped-in giant is never read.
        if file.stat().st_size != record.size_bytes:
            raise IntegrityError(
                f"{file} has {file.stat().st_size} bytes, its manifest says {record.size_bytes}; export it again"
            )
        content = file.read_bytes()
        if FileRecord.of(content) != record:
            raise IntegrityError(f"{file} has changed: its SHA-256 is not the manifest's; export it again")
        return content

    def variant(self, name: str) -> Variant:
        """The variant called `name`.

        Raises:
            UnknownName: there is none.
        """
        for variant in self.manifest.variants:
            if variant.name == name:
                return variant
        raise UnknownName("variant", name, [variant.name for variant in self.manifest.variants])

    def stage(self, name: str) -> Stage:
        """The stage called `name`.

        Raises:
            UnknownName: there is none.
        """
        for stage in self.manifest.stages:
            if stage.name == name:
                return stage
        raise UnknownName("stage", name, [stage.name for stage in self.manifest.stages])

    def probes(self) -> Probes:
        """The bank of probes."""
        return Probes.from_bytes(self.read(PROBES_NAME))


class BundleWriter:
    """A bundle being made; `create_bundle` hands it out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.files: dict[str, FileRecord] = {}

    def add(self, relative: str, content: bytes) -> None:
        """Write one file and list it."""
        target = confined(self._path, relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self.files[relative] = FileRecord.of(content)

    def finish(self, **fields: Any) -> Manifest:
        """Write the manifest; `fields` are those of `Manifest` other than `files`."""
        manifest = Manifest(files=dict(sorted(self.files.items())), **fields)
        write_bytes(self._path / MANIFEST_NAME, manifest.model_dump_json(indent=2) + "\n")
        return manifest


@contextmanager
def create_bundle(path: Path) -> Iterator[BundleWriter]:
    """Make a bundle at `path`: it appears there whole when the block ends, replacing the one before, or not at all."""
    with write_directory(path) as temporary:
        yield BundleWriter(temporary)


def _first_complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "document"
    return f"{where}: {first['msg']}"
