"""The roofline of a load: work of a variant, ceilings of this machine, and the share that each load reached.

The pictures a second of a load take so many operations and bytes a second, counted from the graphs of the variant. The
least time that a batch as it was formed needs on this machine, over the time that it took, is the share reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field as Constraint

from ...bundle import Bundle
from ...bundle.json_documents import Document
from ...errors import UsageError
from ...extras import require
from ...runners.base import graph_runtimes, thread_count
from .ceilings import KERNELS, Bandwidth, Ceilings, Peak, measure_bandwidths, measure_peak
from .reached import reached
from .work import Work, calls_of, work_of

__all__ = ["ServedPoint", "ServedRoofline", "ServedStage", "measure_ceilings", "roofline_of", "stages_of"]

_WORKING_SETS = tuple(1 << power for power in (20, 22, 24, 26, 28))
_KERNELS = tuple(kernel for kernel in KERNELS if kernel.window == 3 or not kernel.side)[1:]
_PEAK_SECONDS, _MOVE_SECONDS = 0.1, 0.05
"""Seconds to time each kernel, and each way to move a working set: a few seconds in all."""


class ServedStage(Document):
    """A stage of the measured variant.

    Args:
        name: of the stage.
        variant: of the bundle.
        runtime: that runs it.
        calls: for one picture, with the sampler's default steps.
        work: of one call.
    """

    name: str
    variant: str
    runtime: str
    calls: int
    work: Work


class ServedPoint(Document):
    """What a load reached.

    Args:
        batch: pictures of the batches that were formed, rounded.
        intensity: operations for each byte that such a batch moves at least.
        per_second: operations a second of all stages.
        bound: what sets the least time: "compute" or "memory".
        share: least time of a batch over the time that it took, at most 1.
    """

    batch: int
    intensity: float
    per_second: float
    bound: str
    share: Annotated[float, Constraint(ge=0, le=1 + 1e-9)]


class ServedRoofline(Document):
    """The roofline of a variant under some loads.

    Args:
        ceilings: of this machine, measured after the loads. Where a load was faster than they allow, they are raised
            to what it reached.
        stages: of the variant.
        points: one for each load.
    """

    ceilings: Ceilings
    stages: Annotated[tuple[ServedStage, ...], Constraint(min_length=1)]
    points: tuple[ServedPoint, ...]

    @property
    def main(self) -> ServedStage:
        """The stage with the most operations for one picture."""
        return max(self.stages, key=lambda stage: stage.calls * stage.work.all_operations)


def stages_of(bundle: Bundle, variants: str) -> tuple[ServedStage, ...]:
    """The stages of a variant, with the work of their graphs.

    Args:
        bundle: that has it.
        variants: names of its variants, one of each stage, separated by commas.

    Raises:
        UsageError: a variant is not one that a runtime of graphs runs on a CPU, or nothing in it multiplies.
        MissingExtra: torch or onnx is not installed.
    """
    require("torch", "train")
    require("onnx", "export")
    names, calls = {name.strip() for name in variants.split(",")}, calls_of(bundle)
    found = []
    for variant in bundle.manifest.variants:
        if variant.name not in names:
            continue
        if variant.target is not None or variant.runtime not in graph_runtimes():
            raise UsageError(
                f"--roofline measures runtimes on a CPU, and {variant.name} runs in {variant.runtime};"
                " leave it out, or measure another variant"
            )
        lowered_to = variant.options.get("inference_precision", "")
        work = work_of(bundle.read(variant.file), lowered_to=lowered_to)
        found.append(
            ServedStage(
                name=variant.stage,
                variant=variant.name,
                runtime=variant.runtime,
                calls=calls[variant.stage],
                work=work,
            )
        )
    if not any(stage.work.all_operations for stage in found):
        raise UsageError(
            f"--roofline found no operations to count in {variants or 'this target'}; leave it out"
        )
    return tuple(found)


def measure_ceilings(stages: Iterable[ServedStage]) -> Ceilings:
    """What this machine allows the stages; takes a few seconds.

    Args:
        stages: whose runtimes and precisions count.
    """
    threads = thread_count(None)
    wanted = {(stage.runtime, name) for stage in stages for name in (*stage.work.operations, "fp32")}
    peaks = [measure_peak(*names, threads, _PEAK_SECONDS, _KERNELS) for names in sorted(wanted)]
    return Ceilings(
        threads=threads,
        peaks=tuple(peak for peak in peaks if peak is not None),
        bandwidths=measure_bandwidths(threads, _MOVE_SECONDS, _WORKING_SETS),
    )


def roofline_of(
    stages: Sequence[ServedStage], ceilings: Ceilings, loads: Sequence[tuple[float, int]]
) -> ServedRoofline:
    """Hold loads against ceilings.

    Args:
        stages: of the variant.
        ceilings: of the machine.
        loads: pictures a second, and pictures of the batches formed.
    """
    fastest = max(_point(stages, ceilings, *load)[1] for load in loads)
    if fastest > 1:
        ceilings = _raised(ceilings, fastest)
    points = [_point(stages, ceilings, *load)[0] for load in loads]
    return ServedRoofline(ceilings=ceilings, stages=tuple(stages), points=tuple(points))


def _point(
    stages: Sequence[ServedStage], ceilings: Ceilings, images_per_second: float, batch: int
) -> tuple[ServedPoint, float]:
    """What a load reached, and its share, which may be above 1."""
    took_ms = batch / images_per_second * 1e3
    bounds = [
        (stage.calls * one.bound_ms, one.bound)
        for stage in stages
        for one in [reached(stage.work, stage.runtime, ceilings, batch, took_ms, 1)]
    ]
    operations = sum(stage.calls * stage.work.all_operations for stage in stages)
    moved = sum(stage.calls * stage.work.bytes(batch) for stage in stages)
    share = sum(bound for bound, _ in bounds) / took_ms
    point = ServedPoint(
        batch=batch,
        intensity=batch * operations / moved,
        per_second=operations * images_per_second,
        bound=max(bounds)[1],
        share=min(1.0, share),
    )
    return point, share


def _raised(ceilings: Ceilings, factor: float) -> Ceilings:
    """Ceilings that the fastest load just reaches: it is the better measurement of them."""
    note = f", raised {factor:.2f} times to what a load reached"

    def higher(one: Peak | Bandwidth) -> dict[str, object]:
        return {"per_second": one.per_second * factor, "source": one.source + note}

    return ceilings.model_copy(
        update={
            "peaks": tuple(peak.model_copy(update=higher(peak)) for peak in ceilings.peaks),
            "bandwidths": tuple(one.model_copy(update=higher(one)) for one in ceilings.bandwidths),
        }
    )
