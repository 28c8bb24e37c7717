"""The manifest of a bundle: its stages, variants, verdicts, files and provenance, as `manifest.json` holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import Field as Constraint, model_validator

from ..files import sha256
from ..signature import GeneratorSignature, Signature
from .engine_record import EngineRecord, FP32Layers
from .external_graph import WEIGHTS_SUFFIX
from .json_documents import Document
from .names import Name

__all__ = [
    "GRADES",
    "SAMPLER_STAGES",
    "SCHEMA_VERSION",
    "TOKENIZER_NAME",
    "Aim",
    "Figure",
    "FileRecord",
    "Gain",
    "Grade",
    "Manifest",
    "Sampler",
    "Stage",
    "Timing",
    "Variant",
    "Verdict",
]

SCHEMA_VERSION = 1
TOKENIZER_NAME = "tokenizer.json"

Sampler = Literal["rectified-flow"]
"""The runner that runs the stages of a generator in turn, by its name."""

SAMPLER_STAGES: dict[Sampler, tuple[str, ...]] = {"rectified-flow": ("text_encoder", "denoiser", "decoder")}
"""Sampler -> its stages, in the order they run."""

Aim = Literal["latency", "throughput", "size"]
"""What a variant can be best at: least time for one picture, most pictures per second, smallest file."""

Grade = Literal["same picture", "same distribution"]
"""What the pictures of a variant promise. "same picture": every probe is within the limits of its precision.
"same distribution": a stated share of the probes is, and many pictures together are as near to PyTorch's as PyTorch's
own."""

GRADES: tuple[Grade, ...] = get_args(Grade)
"""The grades, the weaker one last."""


class FileRecord(Document):
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

    @classmethod
    def of_file(cls, path: Path) -> FileRecord:
        """The record of a file, which is read piece by piece."""
        return cls(sha256=sha256(path), size_bytes=path.stat().st_size)


class Figure(Document):
    """One measured figure of a verdict, with its limit.

    Args:
        metric: name with its unit.
        value: the measured value; None if it could not be computed, which never passes.
        at_least, at_most: the limit, if the figure has one.
        lower, upper: bounds of the true value, each with a confidence of 95 %, of a figure that was estimated from a
            sample.
        bank: the bank of probes that it was measured on; empty for the usual one.
        why: why it could not be computed; not written to the manifest, where the verdict's reason says it.
    """

    metric: str
    value: float | None
    at_least: float | None = None
    at_most: float | None = None
    lower: float | None = None
    upper: float | None = None
    bank: str = ""
    why: Annotated[str, Constraint(exclude=True)] = ""

    @property
    def limited(self) -> bool:
        """Whether the figure has a limit."""
        return self.at_least is not None or self.at_most is not None

    @property
    def passed(self) -> bool:
        """Whether the figure was computed and is within its limits; an estimate fails only with its whole interval."""
        if self.value is None or np.isnan(self.value):
            return False
        most = self.value if self.upper is None else self.upper
        least = self.value if self.lower is None else self.lower
        return (self.at_least is None or most >= self.at_least) and (
            self.at_most is None or least <= self.at_most
        )


class Verdict(Document):
    """Whether the pictures of a variant match PyTorch's within the limits of its precision.

    Args:
        status: "passed", "failed", "not_run" if the machine that made it could not run it, or "not_offered" if its
            pictures passed and it is slower there than FP32.
        reason: one line that says what failed, or why it was not run or is not offered; empty if it passed.
        figures: all measurements.
        parted: numbers of the usual probes whose pictures are not within the limits of a single picture, in any
            replay; a variant that promises the same distribution may have a few.
    """

    status: Literal["passed", "failed", "not_run", "not_offered"]
    reason: str = ""
    figures: tuple[Figure, ...] = ()
    parted: tuple[int, ...] = ()


class Timing(Document):
    """Speed of a variant on the machine that exported it; two exports differ in this, `Gain` and engine build times.

    Args:
        batch: pictures per batch.
        p50_ms: median time of one batch, in milliseconds.
        images_per_second: `batch` over that median.
    """

    batch: Annotated[int, Constraint(ge=1)]
    p50_ms: Annotated[float, Constraint(gt=0)]
    images_per_second: Annotated[float, Constraint(gt=0)]


class Gain(Document):
    """Speedup by one graph pass, for whole pictures, on the machine that exported the bundle.

    Args:
        stage: the stage whose graph it changes.
        name: of the pass.
        ratio: time without the pass over time with it; median of all turns.
        lower, upper: quartiles of the ratio.
    """

    stage: Name
    name: Name
    ratio: float
    lower: float
    upper: float


class Variant(Document):
    """A stage in a precision, for a runtime and a target.

    Args:
        name: unique in the bundle; usually the name of its file.
        stage: name of its stage.
        precision: "fp32", "fp16", ...
        runtime: name of the runner that runs it.
        target: compute capability of an engine, for example "sm86"; None for an ONNX graph.
        file: path inside the bundle.
        batches: smallest, preferred and largest batch that it takes.
        grade: what its pictures promise.
        verdict: of the gate.
        passes: graph passes that changed the graph, name -> number of changes.
        fp32_layers: layers that stay in FP32 because the pictures failed without them, the most sensitive first.
        layers: number of layers that could be lowered; 0 if unknown.
        lowered_share: share of the multiply-adds in the precision, 0 to 1, as read back from the graph or the engine;
            None in FP32, without multiply-adds, and if unknown.
        timings: of the whole generator with this variant in it; empty if it was not timed.
        engine: provenance of an engine; None of an ONNX graph.
        options: of the graph's runtime, name -> value, as the metadata of its ONNX file has them under "litho.NAME":
            "optimization" is "extended", "basic" or "disabled" if ONNX Runtime must not optimise it further.
    """

    name: Name
    stage: Name
    precision: Name
    runtime: Name
    target: Name | None = None
    file: str
    batches: tuple[int, int, int]
    grade: Grade = "same picture"
    verdict: Verdict
    passes: dict[str, int] = Constraint(default_factory=dict)
    fp32_layers: FP32Layers = ()
    layers: int = 0
    lowered_share: Annotated[float, Constraint(ge=0, le=1)] | None = None
    timings: tuple[Timing, ...] = ()
    engine: EngineRecord | None = None
    options: dict[str, str] = Constraint(default_factory=dict)

    def paths(self, files: Mapping[str, Any]) -> tuple[str, ...]:
        """Its file, and that of its weights if they lie beside it.

        Args:
            files: those of its bundle, by their paths.
        """
        return tuple(path for path in (self.file, f"{self.file}{WEIGHTS_SUFFIX}") if path in files)

    def size_bytes(self, files: Mapping[str, FileRecord]) -> int:
        """Size of its files together; `files` as for `paths`."""
        return sum(files[path].size_bytes for path in self.paths(files))

    def __repr__(self) -> str:
        target = f" for {self.target}" if self.target else ""
        return f"<Variant {self.name}: {self.precision} in {self.runtime}{target}, {self.verdict.status}>"


class Stage(Document):
    """One graph of the generator.

    Args:
        name: "generator" if there is only one, else a stage of the sampler.
        signature: of this graph.
    """

    name: Name
    signature: Signature


class Manifest(Document):
    """Contents and provenance of a bundle.

    Args:
        schema_version: of this document.
        name: of the bundle.
        family: of generators, for example "cgan".
        preset: the preset that trained it; None for a user's own module.
        licence: SPDX identifier of the weights; None if unknown.
        signature: of the whole generator.
        stages: in the order they run; exactly one without a sampler.
        sampler: runs the stages; with a sampler, `tokenizer.json` is among the files.
        variants: all that were made, failed ones included.
        aim: what the recommended variants are best at.
        recommended: names of variants, one of each stage that has a variant which was timed and passed.
        gains: of the graph passes; empty if they were not timed.
        files: path inside the bundle -> size and hash, of every file but the manifest.
        checkpoint_sha256: hash of the weights.
        environment: versions of torch, onnx, the runtimes and so on, and settings of the export; of a timed bundle
            also the date and the processor of the timings.
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
            raise ValueError("variant names are not unique")
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
