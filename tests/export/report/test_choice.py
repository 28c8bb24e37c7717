"""Which variant is recommended, and which are worth a look: properties that hold for any figures."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from litho.bundle.manifest import GRADES, Aim, Figure, FileRecord, Grade, Timing, Variant, Verdict
from litho.export.report.choice import (
    AIMS,
    latency_ms,
    metric_value,
    pareto_front,
    recommend,
    throughput,
)
from litho.parity.gate import PSNR_MEAN


def variant(
    name: str,
    *,
    status: str = "passed",
    psnr_db: float | None = 40.0,
    latency: float | None = 2.0,
    speed: float = 500.0,
    stage: str = "generator",
    grade: Grade = "same picture",
    timed_first: int = 8,
) -> Variant:
    """A variant with these figures, whose larger batch was timed first; without a latency it was not timed."""
    timings = ()
    if latency is not None:
        timings = (
            Timing(batch=timed_first, p50_ms=1000 * timed_first / speed, images_per_second=speed),
            Timing(batch=1, p50_ms=latency, images_per_second=1000 / latency),
        )
    figures = () if psnr_db is None else (Figure(metric=PSNR_MEAN, value=psnr_db),)
    return Variant(
        name=name,
        stage=stage,
        precision="fp16",
        grade=grade,
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
            grade=draw(st.sampled_from(GRADES)),
            timed_first=draw(st.sampled_from([2, 8, 64])),
        )
        for number in range(draw(st.integers(1, 8)))
    ]
    sizes = draw(st.lists(st.integers(1, 5), min_size=len(variants), max_size=len(variants)))
    return variants, files_of(variants, sizes)


def oracle(
    variants: Sequence[Variant], files: dict[str, FileRecord], aim: Aim, grade: Grade
) -> list[set[str]]:
    """The best of each stage, by the documents alone: no function of the code under test is called."""
    best: list[set[str]] = []
    stages: list[str] = []
    for one in variants:
        if one.stage not in stages:
            stages.append(one.stage)
    for stage in stages:
        scores: dict[str, float] = {}
        for one in variants:
            document = one.model_dump()
            if document["stage"] != stage or document["verdict"]["status"] != "passed":
                continue
            if grade == "same picture" and document["grade"] != "same picture":
                continue
            timings = {timing["batch"]: timing for timing in document["timings"]}
            if not timings:
                continue
            if aim == "latency":
                scores[one.name] = timings[1]["p50_ms"]
            elif aim == "throughput":
                scores[one.name] = -sorted(timing["images_per_second"] for timing in timings.values())[-1]
            else:
                scores[one.name] = files[document["file"]].size_bytes
        if scores:
            least = sorted(scores.values())[0]
            best.append({name for name, score in scores.items() if score == least})
    return best


@given(bundles(), st.sampled_from(AIMS), st.sampled_from(GRADES))
def test_the_best_of_each_stage_for_the_aim_is_recommended(
    made: tuple[list[Variant], dict[str, FileRecord]], aim: Aim, grade: Grade
) -> None:
    variants, files = made
    names = recommend(variants, files, aim, grade)
    expected = oracle(variants, files, aim, grade)
    assert len(names) == len(expected)
    assert all(name in best for name, best in zip(names, expected, strict=True))
    if grade == "same distribution":
        assert names == recommend(variants, files, aim)


def test_latency_is_that_of_one_picture_whatever_was_timed_first() -> None:
    quick, alone = (
        variant("quick", latency=9.0, speed=4000, timed_first=2),
        variant("alone", latency=5.0),
    )
    assert latency_ms(quick) == 9.0
    assert recommend([quick, alone], files_of([quick, alone], [1, 1]), "latency") == ("alone",)
    batches_only = quick.model_copy(update={"timings": quick.timings[:1]})
    assert latency_ms(batches_only) is None
    assert recommend([batches_only, alone], files_of([batches_only, alone], [1, 1]), "latency") == ("alone",)


def test_throughput_is_that_of_the_best_batch() -> None:
    one = variant("one", latency=1.0, speed=500)
    assert throughput(one) == 1000
    assert throughput(variant("one", latency=4.0, speed=500)) == 500
    assert throughput(variant("one", latency=None)) is None


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
