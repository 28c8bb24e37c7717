"""Rooflines of generators in all forms: what each form reached, and which of them are best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from ...bundle.json_documents import Document
from ..roofline.ceilings import Bandwidth, Ceilings, Peak
from ..roofline.reached import Reached, reached
from ..roofline.work import Work
from ..shared.machine import Machine

__all__ = [
    "EQUAL_DB",
    "Form",
    "FormAtBatch",
    "Limits",
    "ModelLimits",
    "Stage",
    "front",
    "raised",
    "stage_results",
    "timed_stages",
    "with_ceilings",
    "with_front",
]

EQUAL_DB = 78.0
"""PSNR from which pictures count as equal: one pixel in a thousand is one grey level off, as FP32 promises."""


class Stage(Document):
    """A stage in one form.

    Args:
        name: of the stage.
        variant: of the bundle; empty in PyTorch.
        calls: for one picture.
        work: of one call.
        reached: at each batch; empty if the stage was not timed alone.
    """

    name: str
    variant: str
    calls: int
    work: Work
    reached: tuple[Reached, ...]


class FormAtBatch(Document):
    """A form of the whole generator at one batch.

    Args:
        batch: pictures.
        images_per_second: by the median of runs.
        share: of the roofline, all stages together; None if it was not measured.
        on_front: whether no other form is both faster and as near to PyTorch's pictures.
    """

    batch: int
    images_per_second: float
    share: float | None
    on_front: bool = False


class Form(Document):
    """One way to run a generator: a runtime and a precision.

    Args:
        name: such as "int8 in openvino".
        runtime: "torch", or a runner of graphs.
        precision: of the layers.
        psnr_mean_db, psnr_min_db: of its pictures of the probes against PyTorch's in FP32, 100 for identical ones.
        most_levels: largest difference of a value, in grey levels.
        stages: each stage; one of a generator of a single graph.
        whole: at each batch.
    """

    name: str
    runtime: str
    precision: str
    psnr_mean_db: float
    psnr_min_db: float
    most_levels: int
    stages: tuple[Stage, ...]
    whole: tuple[FormAtBatch, ...]

    def at(self, batch: int) -> FormAtBatch:
        """The whole generator at a batch that was measured."""
        return next(one for one in self.whole if one.batch == batch)


class ModelLimits(Document):
    """A generator in all forms that run here.

    Args:
        name: of the run or bundle.
        family: of generators.
        weights_sha256: of its snapshot.
        operations: of one picture, as counted from the FP32 graph, with the sampler's default steps.
        operations_by_torch: the same by torch's own counter; None without the run.
        forms: in the order measured.
        left_out: form -> why it was not measured.
    """

    name: str
    family: str
    weights_sha256: str
    operations: float
    operations_by_torch: float | None
    forms: tuple[Form, ...]
    left_out: dict[str, str]

    def form(self, name: str) -> Form:
        """The form called `name`."""
        return next(form for form in self.forms if form.name == name)


class Limits(Document):
    """Rooflines and fronts of some generators on one machine; written as `limits.json`.

    Args:
        schema_version: of this document.
        command: that made it.
        measured_at: date and time in ISO 8601, UTC.
        seconds: that it took, exports aside.
        machine: where it was measured.
        batches: at which everything was timed.
        ceilings: of the machine.
        models: the generators.
    """

    schema_version: Literal[1] = 1
    command: str
    measured_at: str
    seconds: float
    machine: Machine
    batches: tuple[int, ...]
    ceilings: Ceilings
    models: tuple[ModelLimits, ...]


def raised(ceilings: Ceilings, seen: Iterable[tuple[str, str, Work, Reached]]) -> Ceilings:
    """Ceilings that nothing exceeds: what was faster than its bound is the better measurement of the ceiling.

    Args:
        ceilings: as kernels measured them.
        seen: name, runtime, work and result of what was timed.
    """
    for name, runtime, work, one in seen:
        again = reached(work, runtime, ceilings, one.batch, one.milliseconds, one.runs)
        if again.share is None or again.share <= 1:
            continue
        source = f"{name} at batch {one.batch}"
        if again.bound == "compute":
            main = max(work.operations, key=work.operations.__getitem__)
            ceilings = _with_peaks(ceilings, runtime, set(work.operations), main, again.share, source)
        else:
            known = ceilings.bandwidth(work.working_set(one.batch))
            better = Bandwidth(
                working_set=known.working_set, per_second=known.per_second * again.share, source=source
            )
            others = (better if item == known else item for item in ceilings.bandwidths)
            ceilings = ceilings.model_copy(update={"bandwidths": tuple(others)})
    return ceilings


def _with_peaks(
    ceilings: Ceilings, runtime: str, names: set[str], main: str, factor: float, source: str
) -> Ceilings:
    """Peaks of the precisions of some work, all higher by a factor."""
    found: list[Peak] = []
    known = [ceilings.peak(runtime, name) for name in names]
    for peak in ceilings.peaks:
        if peak in known:
            note = source if peak.precision == main else f"{peak.source}, raised with {source}"
            peak = peak.model_copy(update={"per_second": peak.per_second * factor, "source": note})
        found.append(peak)
    return ceilings.model_copy(update={"peaks": tuple(found)})


def front(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Names of the points that no other is better than in one way and as good in the other.

    Args:
        points: name -> pictures a second, and PSNR in decibels, of which all from `EQUAL_DB` are equal.
    """
    capped = {name: (speed, min(near, EQUAL_DB)) for name, (speed, near) in points.items()}
    return {
        name for name, point in capped.items() if not any(_beats(other, point) for other in capped.values())
    }


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] >= other[0] and one[1] >= other[1]


def with_front(forms: Sequence[Form], batches: Sequence[int]) -> tuple[Form, ...]:
    """The forms, with those on the front of each batch marked."""
    best = {
        batch: front({form.name: (form.at(batch).images_per_second, form.psnr_mean_db) for form in forms})
        for batch in batches
    }

    def marked(form: Form) -> Form:
        whole = (one.model_copy(update={"on_front": form.name in best[one.batch]}) for one in form.whole)
        return form.model_copy(update={"whole": tuple(whole)})

    return tuple(map(marked, forms))


def timed_stages(models: Iterable[ModelLimits]) -> Iterator[tuple[ModelLimits, Form, Stage, Reached]]:
    """Each stage of each form at each batch, with what it reached."""
    for model in models:
        for form in model.forms:
            for stage in form.stages:
                for one in stage.reached:
                    yield model, form, stage, one


def stage_results(models: Iterable[ModelLimits]) -> Iterator[tuple[str, str, Work, Reached]]:
    """Name, runtime, work and result of each stage at each batch, as `raised` takes them."""
    for model, form, stage, one in timed_stages(models):
        yield f"{model.name} {stage.name}, {form.name}", form.runtime, stage.work, one


def with_ceilings(model: ModelLimits, ceilings: Ceilings) -> ModelLimits:
    """A generator whose shares are those under other ceilings."""
    return model.model_copy(update={"forms": tuple(_form_with(form, ceilings) for form in model.forms)})


def _form_with(form: Form, ceilings: Ceilings) -> Form:
    stages = tuple(
        stage.model_copy(
            update={
                "reached": tuple(
                    reached(stage.work, form.runtime, ceilings, one.batch, one.milliseconds, one.runs)
                    for one in stage.reached
                )
            }
        )
        for stage in form.stages
    )
    whole = tuple(one.model_copy(update={"share": _whole_share(form, ceilings, one)}) for one in form.whole)
    return form.model_copy(update={"stages": stages, "whole": whole})


def _whole_share(form: Form, ceilings: Ceilings, one: FormAtBatch) -> float | None:
    """The bounds of all calls of all stages, over the time of the whole."""
    whole_ms = one.batch / one.images_per_second * 1e3
    bound_ms = sum(
        stage.calls * reached(stage.work, form.runtime, ceilings, one.batch, whole_ms, 1).bound_ms
        for stage in form.stages
    )
    return bound_ms / whole_ms if bound_ms else None
