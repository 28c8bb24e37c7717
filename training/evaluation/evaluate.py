"""Measure a run's snapshot: load it, its data and the judge, ask every part that applies, write what they found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from ...errors import EvaluationError, LithoError, UsageError
from ...files import write_bytes
from ..data.dataset import Dataset
from ..data.sources import load
from ..run.snapshot import INFO_NAME, Snapshot, load_snapshot
from .context import EvaluationContext
from .document import DOCUMENT_NAME, PAGE_NAME, Evaluation, Section
from .feature_net import feature_net
from .inception import Inception
from .page import render_page
from .parts import Panel, all_parts

__all__ = ["SAMPLES", "Progress", "evaluate", "measure"]

SAMPLES = 10_000
LEAST_SAMPLES = 10

Progress = Callable[[str, float], None]
"""Is told what is being done and the share that is done, 0 to 1."""

# Of an evaluation's time, about, where the feature net has to be trained first.
_NET_SHARE = 0.5


def evaluate(
    run: Path | str,
    *,
    data: str | None = None,
    samples: int = SAMPLES,
    fields: Mapping[str, float] | None = None,
    device: str = "cpu",
    inception: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure the snapshot in a run's directory, and write `evaluation.json` and `evaluation.html` beside it.

    The figures are put into `snapshot.json` too, as its quality. A part that fails is listed with its reason, and the
    others are measured all the same.

    Args:
        run: the run's directory.
        data: what to compare with; by default what the snapshot was trained on.
        samples: pictures to draw, at least 10; figures that compare sets take at most as many as
            there are test images.
        fields: inputs of role steps, guidance or truncation to set for all pictures, name -> value.
        device: "cpu" or "cuda".
        inception: TorchScript file of the Inception network, for FID and IS; None leaves them out.
        progress: is told how far it is.

    Raises:
        UsageError: an argument is not allowed, or the data does not fit the generator.
        CheckpointError: the snapshot is damaged.
        DataError: the data cannot be used as it lies on disk.
        EvaluationError: there is no feature net for the data, nothing to measure, or no Inception network at
            that path.
    """
    if samples < LEAST_SAMPLES:
        raise UsageError(f"{samples} samples are too few; it must be {LEAST_SAMPLES} or more")
    tell = progress or _silent
    root = Path(run)
    network = Inception(inception, device) if inception is not None else None
    tell("reading the snapshot and its data", 0.0)
    snapshot = load_snapshot(root)
    dataset = _data(snapshot, data)
    train, test = dataset.split()
    tell("training the feature net", 0.0)
    net = feature_net(
        train,
        test,
        device=device,
        progress=lambda share: tell("training the feature net", _NET_SHARE * share),
    )
    subject = EvaluationContext(
        snapshot.generator(),
        snapshot.info.signature,
        train,
        test,
        net,
        samples=samples,
        fields=fields,
        device=device,
        inception=network,
    )
    sections, panels = measure(subject, lambda step, share: tell(step, _NET_SHARE + (1 - _NET_SHARE) * share))
    evaluation = Evaluation(
        family=snapshot.info.family,
        preset=snapshot.info.preset,
        nimg=snapshot.info.nimg,
        weights_sha256=snapshot.info.weights_sha256,
        data=train.name,
        data_sha256=net.info.data_sha256,
        train_count=len(train),
        test_count=len(test),
        feature_net=net.info,
        samples=samples,
        fields=subject.fields,
        device=device,
        inception_sha256=network.sha256 if network else None,
        sections=sections,
    )
    _write(root, snapshot, evaluation, panels)
    return evaluation


def measure(
    subject: EvaluationContext, progress: Progress | None = None
) -> tuple[tuple[Section, ...], dict[str, tuple[Panel, ...]]]:
    """What every part that applies finds.

    Returns:
        The sections, and the name of each part -> its pictures.

    Raises:
        EvaluationError: no part applies.
    """
    tell = progress or _silent
    parts = [(name, part) for name, part in all_parts() if part.applies(subject)]
    if not parts:
        taken = ", ".join(field.name for field in subject.signature.inputs)
        raise EvaluationError(f"there is nothing to measure of a generator that takes {taken}")
    sections: list[Section] = []
    panels: dict[str, tuple[Panel, ...]] = {}
    for number, (name, part) in enumerate(parts):
        tell(part.title.lower(), number / len(parts))
        try:
            found = part.measure(subject)
            sections.append(Section(part=name, title=part.title, figures=found.figures))
            panels[name] = found.panels
        except LithoError as error:
            sections.append(Section(part=name, title=part.title, failure=str(error)))
        except ValidationError as error:
            reason = f"{error.title} came out wrong: {error.errors()[0]['msg']}"
            sections.append(Section(part=name, title=part.title, failure=reason))
    return tuple(sections), panels


def _data(snapshot: Snapshot, name: str | None) -> Dataset:
    """The data by name, at the size and in the colours of the generator's pictures."""
    if name is None and snapshot.info.data is None:
        raise UsageError(f"{snapshot.path / INFO_NAME} does not say what it was trained on; give --data")
    height, width, channels = snapshot.info.signature.output.shape
    known = name or (snapshot.info.data.name if snapshot.info.data else "")
    dataset = load(known, resolution=height if height == width and height > 0 else None, channels=channels)
    trained = snapshot.info.data
    if name is None and trained is not None and trained.class_names != dataset.class_names:
        raise UsageError(
            f"data {known!r} has other classes now than {snapshot.path} was trained on; give --data"
        )
    return dataset


def _write(
    root: Path, snapshot: Snapshot, evaluation: Evaluation, panels: Mapping[str, tuple[Panel, ...]]
) -> None:
    write_bytes(root / PAGE_NAME, render_page(root.name or str(root), evaluation, panels))
    write_bytes(root / DOCUMENT_NAME, evaluation.model_dump_json(indent=2) + "\n")
    info = snapshot.info.model_copy(update={"quality": {**snapshot.info.quality, **evaluation.quality()}})
    write_bytes(root / INFO_NAME, info.model_dump_json(indent=2) + "\n")


def _silent(step: str, share: float) -> None:
    pass
