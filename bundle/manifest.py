"""What a bundle says of itself: its stages, variants, verdicts and files, as `manifest.json` holds them."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Constraint
from pydantic import model_validator

from ..signature import GeneratorSignature, Signature
from .engine_record import EngineRecord, FP32Layers
from .json_documents import Document

__all__ = [
    "SAMPLER_STAGES",
    "SCHEMA_VERSION",
    "TOKENIZER_NAME",
    "Aim",
    "Figure",
    "FileRecord",
    "Gain",
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
"""What runs the stages of a generator in turn; the runner of that name does."""

SAMPLER_STAGES: dict[Sampler, tuple[str, ...]] = {"rectified-flow": ("text_encoder", "denoiser", "decoder")}
"""Sampler -> its stages, in the order they run."""

Aim = Literal["latency", "throughput", "size"]
"""What a variant can be best at: the shortest time for one picture, the most pictures a second, the smallest file."""

Name = Annotated[str, Constraint(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]


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


class Figure(Document):
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


class Verdict(Document):
    """Whether a variant gives the pictures it must give.

    Args:
        status: "passed", "failed", or "not_run" where it could not be run on the machine that made it.
        reason: one line: what failed, or why it was not run; empty when passed.
        figures: everything that was measured.
    """

    status: Literal["passed", "failed", "not_run"]
    reason: str = ""
    figures: tuple[Figure, ...] = ()


class Timing(Document):
    """How fast a variant made whole pictures where it was exported; two exports differ in this and in `Gain` alone.

    Args:
        batch: pictures at a time.
        p50_ms: median of the time for one batch, in milliseconds.
        images_per_second: at that median.
    """

    batch: Annotated[int, Constraint(ge=1)]
    p50_ms: Annotated[float, Constraint(gt=0)]
    images_per_second: Annotated[float, Constraint(gt=0)]


class Gain(Document):
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


class Variant(Document):
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
        fp32_layers: layers that had to stay in FP32 for the pictures to pass, the most sensitive first.
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
    passes: dict[str, int] = Constraint(default_factory=dict)
    fp32_layers: FP32Layers = ()
    layers: int = 0
    timings: tuple[Timing, ...] = ()
    engine: EngineRecord | None = None


class Stage(Document):
    """One graph of the generator.

    Args:
        name: "generator" of what is one graph, else one of its sampler's stages.
        signature: what this graph takes and gives.
    """

    name: Name
    signature: Signature


class Manifest(Document):
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
        environment: names and versions of what made it: torch, onnx, opset, runtimes, GPU; of timed bundles also the
            date and the processor of the timings.
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
