"""Which variant to take: the best of those that passed, and those that no other beats in everything."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from ...bundle.manifest import Aim, FileRecord, Variant
from ...parity.gate import PSNR_MEAN

__all__ = ["AIMS", "latency_ms", "metric_value", "pareto_front", "recommend", "throughput"]

AIMS: tuple[Aim, ...] = get_args(Aim)


def latency_ms(variant: Variant) -> float | None:
    """Median time for one picture, in milliseconds; None where it was not timed."""
    return next((timing.p50_ms for timing in variant.timings if timing.batch == 1), None)


def throughput(variant: Variant) -> float | None:
    """Most pictures a second at any batch; None where it was not timed."""
    return max((timing.images_per_second for timing in variant.timings), default=None)


def metric_value(variant: Variant, metric: str) -> float | None:
    """A measured figure of a variant's verdict, by the beginning of its name."""
    return next(
        (figure.value for figure in variant.verdict.figures if figure.metric.startswith(metric)), None
    )


def recommend(variants: Sequence[Variant], files: Mapping[str, FileRecord], aim: Aim) -> tuple[str, ...]:
    """The best variant of each stage for an aim, among those that passed and were timed.

    Args:
        variants: of a bundle.
        files: path -> size.
        aim: one of `AIMS`.

    Returns:
        Names, in the order of the stages.
    """
    keys: dict[Aim, Callable[[Variant], float]] = {
        "latency": lambda variant: latency_ms(variant) or math.inf,
        "throughput": lambda variant: -(throughput(variant) or 0),
        "size": lambda variant: files[variant.file].size_bytes,
    }
    stages = dict.fromkeys(variant.stage for variant in variants)
    able = [variant for variant in variants if variant.verdict.status == "passed" and variant.timings]
    return tuple(
        min((variant for variant in able if variant.stage == stage), key=keys[aim]).name
        for stage in stages
        if any(variant.stage == stage for variant in able)
    )


def pareto_front(variants: Sequence[Variant]) -> set[str]:
    """Names of the variants that passed and that no other of their stage equals or beats in speed and in quality."""
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
