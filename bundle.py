"""What travels between stages: a directory of graphs, engines, probes and a manifest that vouches for them.

Layout of `bundles/<name>/`:

    manifest.json                          this module's `Manifest`
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

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic import Field as Constraint

from .engines import EngineRecord
from .errors import BundleError, IntegrityError, SchemaError, UnknownName
from .files import confined, ordinary_file, write_bytes, write_directory
from .probes import PROBES_NAME, Probes
from .signature import GeneratorSignature, Signature

__all__ = [
    "MANIFEST_NAME",
    "PROBES_NAME",
    "REPORT_NAME",
    "SAMPLER_STAGES",
    "TOKENIZER_NAME",
    "Aim",
    "Bundle",
    "BundleWriter",
    "Figure",
    "FileRecord",
    "Gain",
    "Manifest",
    "Probes",
    "Sampler",
    "Stage",
    "Timing",
    "Variant",
    "Verdict",
    "create_bundle",
    "read_document",
]

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
REPORT_NAME = "report.html"
TOKENIZER_NAME = "tokenizer.json"
MAX_MANIFEST_BYTES = 16 << 20

Sampler = Literal["rectified-flow"]
"""What runs the stages of a generator in turn; the runner of that name does."""

SAMPLER_STAGES: dict[Sampler, tuple[str, ...]] = {"rectified-flow": ("text_encoder", "denoiser", "decoder")}
"""Sampler -> its stages, in the order they run."""

Aim = Literal["latency", "throughput", "size"]
"""What a variant can be best at: the shortest time for one picture, the most pictures a second, the smallest file."""

Name = Annotated[str, Constraint(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRecord(_Document):
    """Size and hash of one file.

    Args:
        sha256: 64 hexadecimal digits.
        size_bytes: length of the file.
    """

    sha256: Annotated[str, Constraint(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Constraint(ge=0)]

    @classmethod
    def of(cls, content: bytes) -> FileRecord:
        """The record of `content`."""
        return cls(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


class Figure(_Document):
    """One measured figure of a verdict beside its limit.

    Args:
        metric: name with its unit.
        value: what was measured; None where it could not be computed, which never passes.
        at_least, at_most: the limit, if the figure has one.
        why: it could not be computed; a manifest has that in its verdict's reason alone.
    """

    metric: str
    value: float | None
    at_least: float | None = None
    at_most: float | None = None
    why: Annotated[str, Constraint(exclude=True)] = ""

    @property
    def passed(self) -> bool:
        """Whether the figure was computed and keeps its limits."""
        return (
            self.value is not None
            and not np.isnan(self.value)
            and (self.at_least is None or self.value >= self.at_least)
            and (self.at_most is None or self.value <= self.at_most)
        )


class Verdict(_Document):
    """Whether a variant gives the pictures it must give.

    Args:
        status: "passed", "failed", or "not_run" where it could not be run on the machine that made it.
        reason: one line: what failed, or why it was not run; empty when passed.
        figures: everything that was measured.
    """

    status: Literal["passed", "failed", "not_run"]
    reason: str = ""
    figures: tuple[Figure, ...] = ()


class Timing(_Document):
    """How fast a variant made whole pictures where it was exported; two exports differ in this and in `Gain` alone.

    Args:
        batch: pictures at a time.
        p50_ms: median of the time for one batch, in milliseconds.
        images_per_second: at that median.
    """

    batch: Annotated[int, Constraint(ge=1)]
    p50_ms: Annotated[float, Constraint(gt=0)]
    images_per_second: Annotated[float, Constraint(gt=0)]


class Gain(_Document):
    """How many times as fast whole pictures were made with a graph rewrite as without it, where it was exported.

    Args:
        stage: whose graph it changes.
        name: of the rewrite.
        ratio: median of all turns.
        lower, upper: quartiles.
    """

    stage: Name
    name: Name
    ratio: float
    lower: float
    upper: float


class Variant(_Document):
    """A stage in a precision, for a runtime and a target.

    Args:
        name: unique in the bundle: the file's name.
        stage: which stage it is a form of.
        precision: "fp32", "fp16", ...
        runtime: name of the runner that runs it.
        target: what an engine was built for, for example "sm86"; None for what is portable.
        file: path inside the bundle.
        batches: smallest, preferred and largest batch that it takes.
        verdict: the outcome of the gate.
        passes: rewrites that the graph went through, name -> how often.
        kept: layers that had to stay in FP32 for the pictures to pass, the most harmful first.
        layers: how many there are to lower in all; 0 where nobody counted.
        timings: as far as it was timed; in a generator of several stages, of the whole with this variant in it.
        engine: of a compiled engine, what it was built from and for.
    """

    name: Name
    stage: Name
    precision: Name
    runtime: Name
    target: Name | None = None
    file: str
    batches: tuple[int, int, int]
    verdict: Verdict
    passes: dict[str, int] = {}
    kept: tuple[str, ...] = ()
    layers: int = 0
    timings: tuple[Timing, ...] = ()
    engine: EngineRecord | None = None


class Stage(_Document):
    """One graph of the generator.

    Args:
        name: "generator" of what is one graph, else one of its sampler's stages.
        signature: what this graph takes and gives.
    """

    name: Name
    signature: Signature


class Manifest(_Document):
    """Contents and provenance of a bundle; written as `manifest.json`.

    Args:
        schema_version: of this document.
        name: of the bundle.
        family: of generators, for example "cgan".
        preset: that trained it; None for a foreign model.
        licence: SPDX identifier of the weights, or None where unknown.
        signature: of the generator as a whole.
        stages: in the order they run; one without a sampler, else the sampler's.
        sampler: what runs the stages; with one, `tokenizer.json` is among the files.
        variants: everything that was made, failed ones included.
        aim: what the recommended variants are best at.
        recommended: names of variants, one of each stage as far as any was timed and passed.
        gains: of graph rewrites, as far as they were timed.
        files: path inside the bundle -> size and hash, of every file but the manifest.
        checkpoint_sha256: hash of the weights that everything was made from.
        environment: names and versions of what made it: torch, onnx, opset, runtimes, GPU.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Name
    family: str
    preset: str | None = None
    licence: str | None = None
    signature: GeneratorSignature
    stages: tuple[Stage, ...]
    sampler: Sampler | None = None
    variants: tuple[Variant, ...]
    aim: Aim = "throughput"
    recommended: tuple[str, ...] = ()
    gains: tuple[Gain, ...] = ()
    files: dict[str, FileRecord]
    checkpoint_sha256: str
    environment: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ValueError("variant names are not all different")
        if missing := {variant.file for variant in self.variants} - set(self.files):
            raise ValueError(f"files of variants are not listed: {sorted(missing)}")
        stages = tuple(stage.name for stage in self.stages)
        if self.sampler is None and len(stages) != 1:
            raise ValueError(f"stages {stages} need a sampler")
        if self.sampler is not None and stages != SAMPLER_STAGES[self.sampler]:
            raise ValueError(f"stages {stages} are not the sampler's: {SAMPLER_STAGES[self.sampler]}")
        if self.sampler is not None and TOKENIZER_NAME not in self.files:
            raise ValueError(f"{TOKENIZER_NAME} is not listed")
        if unknown := {variant.stage for variant in self.variants} - set(stages):
            raise ValueError(f"variants of unknown stages: {sorted(unknown)}")
        return self


class Bundle:
    """A bundle on disk whose files have been checked against its manifest.

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


def read_document(root: Path, relative: str, newest: int) -> dict[str, Any]:
    """A JSON object of litho, of a schema that this version reads.

    Args:
        root: directory that the document lies in.
        relative: its path there.
        newest: largest `schema_version` that the caller reads.

    Raises:
        SchemaError: the file is not such an object, or is of a newer schema.
        IntegrityError: it is not an ordinary file.
    """
    file = ordinary_file(root, relative)
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        raise SchemaError(
            f"{file} has {file.stat().st_size} bytes; a document of litho is smaller than 16 MiB"
        )
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SchemaError(f"{file} is not JSON ({error}); it may be cut short: make it again") from None
    if not isinstance(document, dict) or not isinstance(document.get("schema_version"), int):
        raise SchemaError(f"{file} is not a document of litho: it has no integer 'schema_version'")
    if document["schema_version"] > newest:
        raise SchemaError(
            f"{file} has schema version {document['schema_version']}, this litho reads up to {newest};"
            " upgrade with: pip install --upgrade litho"
        )
    return document


def _first_complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "document"
    return f"{where}: {first['msg']}"
