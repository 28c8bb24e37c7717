"""Which variant is recommended, and which are worth a look: properties that hold for any figures."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from litho.bundle.manifest import Aim, Figure, FileRecord, Timing, Variant, Verdict
from litho.export.report.choice import AIMS, latency_ms, metric_value, pareto_front, recommend, throughput
from litho.parity.gate import PSNR_MEAN


def variant(
    name: str,
    *,
    status: str = "passed",
    psnr_db: float | None = 40.0,
    latency: float | None = 2.0,
    speed: float = 500.0,
    stage: str = "generator",
) -> Variant:
    """A variant with these figures; without a latency it was not timed."""
    timings = ()
    if latency is not None:
        timings = (
            Timing(batch=1, p50_ms=latency, images_per_second=1000 / latency),
            Timing(batch=8, p50_ms=8000 / speed, images_per_second=speed),
        )
    figures = () if psnr_db is None else (Figure(metric=PSNR_MEAN, value=psnr_db),)
    return Variant(
        name=name,
        stage=stage,
        precision="fp16",
        runtime="onnxruntime",
        file=name,
        batches=(1, 8, 64),
        verdict=Verdict(status=status, figures=figures),  # pyright: ignore[reportArgumentType]
        timings=timings,
    )


def files_of(variants: Sequence[Variant], sizes: Sequence[int]) -> dict[str, FileRecord]:
    return {
        one.file: FileRecord(sha256="0" * 64, size_bytes=size)
        for one, size in zip(variants, sizes, strict=True)
    }


@st.composite
def bundles(draw: st.DrawFn) -> tuple[list[Variant], dict[str, FileRecord]]:
    """Variants of one or two stages with few different figures, so that ties occur."""
    figure = st.integers(1, 5).map(float)
    variants = [
        variant(
            f"v{number}",
            status=draw(st.sampled_from(["passed", "passed", "failed", "not_run"])),
            psnr_db=draw(st.none() | figure),
            latency=draw(st.none() | figure),
            speed=1000 * draw(figure),
            stage=draw(st.sampled_from(["denoiser", "decoder"])),
        )
        for number in range(draw(st.integers(1, 8)))
    ]
    sizes = draw(st.lists(st.integers(1, 5), min_size=len(variants), max_size=len(variants)))
    return variants, files_of(variants, sizes)


def able(variants: Sequence[Variant], stage: str) -> list[Variant]:
    return [one for one in variants if one.stage == stage and one.verdict.status == "passed" and one.timings]


@given(bundles(), st.sampled_from(AIMS))
def test_one_variant_of_each_stage_is_recommended_and_none_is_better_at_the_aim(
    made: tuple[list[Variant], dict[str, FileRecord]], aim: Aim
) -> None:
    variants, files = made
    names = recommend(variants, files, aim)
    by_name = {one.name: one for one in variants}
    stages = [by_name[name].stage for name in names]
    assert stages == [
        stage for stage in dict.fromkeys(one.stage for one in variants) if able(variants, stage)
    ]
    badness = {
        "latency": lambda one: latency_ms(one),
        "throughput": lambda one: -(throughput(one) or 0),
        "size": lambda one: files[one.file].size_bytes,
    }[aim]
    for name, stage in zip(names, stages, strict=True):
        assert by_name[name] in able(variants, stage)
        assert badness(by_name[name]) == min(badness(one) for one in able(variants, stage))


@given(bundles())
def test_whatever_is_not_on_the_front_is_beaten_by_what_is(
    made: tuple[list[Variant], dict[str, FileRecord]],
) -> None:
    variants, _ = made
    front = [one for one in variants if one.name in pareto_front(variants)]

    def point(one: Variant) -> tuple[float, float] | None:
        speed, quality = throughput(one), metric_value(one, PSNR_MEAN)
        return None if speed is None or quality is None else (speed, quality)

    for one in variants:
        mine = point(one)
        beaten = mine is not None and any(
            other.stage == one.stage
            and (theirs := point(other)) is not None
            and theirs != mine
            and theirs[0] >= mine[0]
            and theirs[1] >= mine[1]
            for other in front
        )
        if one in front:
            assert one.verdict.status == "passed"
            assert not beaten
        elif one.verdict.status == "passed" and mine is not None:
            assert beaten


@given(bundles())
def test_the_fastest_of_a_stage_is_on_the_front_or_as_fast_as_one_that_is(
    made: tuple[list[Variant], dict[str, FileRecord]],
) -> None:
    variants, files = made
    variants = [one for one in variants if metric_value(one, PSNR_MEAN) is not None]
    by_name = {one.name: one for one in variants}
    front = [by_name[name] for name in pareto_front(variants)]
    for name in recommend(variants, files, "throughput"):
        fastest = by_name[name]
        assert throughput(fastest) in [throughput(one) for one in front if one.stage == fastest.stage]


@pytest.mark.parametrize("aim", AIMS)
def test_what_failed_or_was_not_timed_is_never_recommended(aim: Aim) -> None:
    variants = [
        variant("failed", status="failed", latency=1.0, speed=9000),
        variant("waits", status="not_run", latency=None, psnr_db=None),
        variant("untimed", latency=None),
    ]
    assert recommend(variants, files_of(variants, [1, 1, 1]), aim) == ()
    assert pareto_front(variants) == set()
