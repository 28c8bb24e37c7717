"""Variants of every kind, their pictures of the same probes, and their manifest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from litho.bundle.manifest import Figure, FileRecord, Manifest, Stage, Timing, Variant, Verdict
from litho.bundle.probes import Probes
from litho.export.precisions import precision
from litho.export.report.choice import recommend
from litho.parity.gate import Replay, judge
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field

_RANDOM = np.random.default_rng(0)

REFERENCE = _RANDOM.integers(60, 196, (12, 16, 16, 1), dtype=np.uint8)

PROBES = Probes(
    {"seed": np.arange(100, 112), "prompt": np.array(["a circle" * 20] * 12, dtype=object)}, REFERENCE
)

COARSE = REFERENCE + np.uint8([[[[4 * (probe == 5)]]] for probe in range(12)])
"""Off by four grey levels in one picture."""

PARTED = REFERENCE.copy()
PARTED[5] = np.roll(REFERENCE[5], 1, axis=0)
"""Another picture of one probe."""

LOUD = (REFERENCE.astype(int) + _RANDOM.integers(-50, 51, REFERENCE.shape)).astype(np.uint8)


def variant(name: str, verdict: Verdict, speed: float | None, fp32_layers: tuple[str, ...] = ()) -> Variant:
    precision_name, *runtime = name.removesuffix(".onnx").split(".")[1:]
    timings = ()
    if speed is not None:
        timings = (
            Timing(batch=1, p50_ms=1.5, images_per_second=1000 / 1.5),
            Timing(batch=32, p50_ms=32e3 / speed, images_per_second=speed),
        )
    return Variant(
        name=name,
        stage="generator",
        precision=precision_name,
        grade=precision(precision_name).gate.grade,
        runtime=runtime[0] if runtime else "onnxruntime",
        file=f"graphs/{name}",
        batches=(1, 8, 64),
        verdict=verdict,
        passes={"folding": 3},
        fp32_layers=fp32_layers,
        layers=9,
        timings=timings,
    )


def verdict_on(pictures: np.ndarray, name: str) -> Verdict:
    ratio = Figure(metric="FD ratio (digits)", value=1.012, at_most=1.05)
    return judge([Replay(pictures, REFERENCE)], precision(name).gate, [ratio])


VARIANTS = [
    variant("generator.fp32.onnx", judge([Replay(REFERENCE, REFERENCE)], precision("fp32").gate), 1000),
    variant("generator.int8.openvino.onnx", verdict_on(COARSE, "int8"), 2000, ("block.conv", "last.conv")),
    variant("generator.fp8.onnx", verdict_on(LOUD, "fp8"), 3000),
    variant("generator.bf16.onnx", Verdict(status="not_run", reason="no kernel for Gemm"), None),
]
PICTURES = {VARIANTS[0].name: REFERENCE, VARIANTS[1].name: COARSE, VARIANTS[2].name: LOUD}
FILES = {
    one.file: FileRecord(sha256="0" * 64, size_bytes=4000 // (place + 1))
    for place, one in enumerate(VARIANTS)
}


def manifest_of(variants: Sequence[Variant] = VARIANTS, **changes: Any) -> Manifest:
    signature = Signature(inputs=(seed_field(),), output=image_output(16, 16, 1))
    fields = {
        "name": "tiny",
        "family": "gan",
        "signature": signature,
        "stages": (Stage(name="generator", signature=signature),),
        "variants": tuple(variants),
        "recommended": recommend(variants, FILES, "throughput"),
        "files": FILES,
        "checkpoint_sha256": "0" * 64,
        "environment": {"torch": "2"},
    }
    return Manifest(**{**fields, **changes})
