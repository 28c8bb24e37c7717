"""The recommended variant of each stage, and the variants that no other beats in both speed and quality."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from ...bundle.manifest import GRADES, Aim, FileRecord, Grade, Manifest, Variant
from ...parity.gate import PSNR_MEAN

__all__ = [
    "AIMS",
    "latency_ms",
    "metric_value",
    "overall_status",
    "pareto_front",
    "plain_variant",
    "recommend",
    "throughput",
]

AIMS: tuple[Aim, ...] = get_args(Aim)


def latency_ms(variant: Variant) -> float | None:
    """Median time for one image, in milliseconds; None if it was not timed."""
    return next((timing.p50_ms for timing in variant.timings if timing.batch == 1), None)


def throughput(variant: Variant) -> float | None:
    """Images per second at the best batch size; None if it was not timed."""
    return max((timing.images_per_second for timing in variant.timings), default=None)


def metric_value(variant: Variant, metric: str) -> float | None:
    """The value of the first figure of a variant's verdict whose name starts with `metric`."""
    return next(
        (figure.value for figure in variant.verdict.figures if figure.metric.startswith(metric)), None
    )


def plain_variant(stage: str, variants: Sequence[Variant]) -> Variant | None:
    """The FP32 graph of a stage in ONNX Runtime, which gains are measured against."""
    return next((variant for variant in variants if variant.name == f"{stage}.fp32.onnx"), None)


def overall_status(manifest: Manifest) -> str:
    """ "passed" if a variant of every stage passed, "failed" if one failed instead, "not run" otherwise."""
    statuses = [
        {variant.verdict.status for variant in manifest.variants if variant.stage == stage.name}
        for stage in manifest.stages
    ]
    if all("passed" in found for found in statuses):
        return "passed"
    return "failed" if any("failed" in found and "passed" not in found for found in statuses) else "not run"


def recommend(
    variants: Sequence[Variant], files: Mapping[str, FileRecord], aim: Aim, grade: Grade = GRADES[-1]
) -> tuple[str, ...]:
    """The best variant of each stage for an aim, among those that passed and were timed.

    Args:
        variants: of a bundle.
        files: path -> size.
        aim: one of `AIMS`.
        grade: the weakest grade to choose from; by default all.

    Returns:
        Names, in the order of the stages.
    """
    keys: dict[Aim, Callable[[Variant], float]] = {
        "latency": lambda variant: latency_ms(variant) or math.inf,
        "throughput": lambda variant: -(throughput(variant) or 0),
        "size": lambda variant: variant.size_bytes(files),
    }
    stages = dict.fromkeys(variant.stage for variant in variants)
    able = [
        variant
        for variant in variants
        if variant.verdict.status == "passed"
        and variant.timings
        and GRADES.index(variant.grade) <= GRADES.index(grade)
    ]
    return tuple(
        min((variant for variant in able if variant.stage == stage), key=keys[aim]).name
        for stage in stages
        if any(variant.stage == stage for variant in able)
    )


def pareto_front(variants: Sequence[Variant]) -> set[str]:
    """Names of the passed variants that no other of their stage equals in speed and quality and beats in one."""
    points = {
        variant.name: (variant.stage, speed, quality)
        for variant in variants
        if variant.verdict.status == "passed"
        and (speed := throughput(variant)) is not None
        and (quality := metric_value(variant, PSNR_MEAN)) is not None
    }
    return {
        name
        for name, (stage, speed, quality) in points.items()
        if not any(
            other_stage == stage
            and other_speed >= speed
            and other_quality >= quality
            and (other_speed, other_quality) != (speed, quality)
            for other_stage, other_speed, other_quality in points.values()
        )
    }
