"""Evaluate a run's snapshot: load it with its data and feature net, run every part, write document and page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ...bundle.explanation import DOCUMENT_NAME as EXPLANATION_NAME
from ...errors import EvaluationError, LithoError, UsageError, expected
from ...extras import require
from ...files import check_parent, remove_directory, write_bytes, write_directory
from ...reporting.progress import Progress, quiet
from ...runners._pools import Pool
from ...runners.base import parse_device
from ..data.dataset import Dataset
from ..data.sources import load
from ..run.snapshot import INFO_NAME, Snapshot, load_snapshot
from .context import PICTURES_AT_ONCE, EvaluationContext, EvaluationSettings
from .document import Evaluation, Section, explanation_folder, locate_output
from .explanation import explain as explain_generator
from .explanation.panels import PART as EXPLANATION, TITLE, measured
from .feature_net import feature_net
from .inception import Inception
from .page import render_page
from .parts import Panel, all_parts
from .pictures import PictureWork

__all__ = ["SAMPLES", "evaluate", "measure"]

SAMPLES = 10_000

# Approximate share of the time for training the feature net.
_NET_SHARE = 0.5

# And for an explanation, if one is asked for.
_EXPLANATION_SHARE = 0.2


def evaluate(  # noqa: PLR0913
    run: Path | str,
    *,
    data: str | None = None,
    samples: int = SAMPLES,
    fields: Mapping[str, float] | None = None,
    device: str = "cpu",
    inception: Path | None = None,
    output: Path | None = None,
    explain: bool = False,
    pool: Pool | None = None,
    progress: Progress = quiet,
) -> Evaluation:
    """Evaluate the snapshot in a run's directory; write `evaluation.json` and `evaluation.html`.

        >>> evaluation = evaluate_model("runs/digits", data="digits", samples=100)
        >>> evaluation.sections[0].figures[0].metric
        'FD-digits'

    Without `output` both go beside the snapshot, whose quality in `snapshot.json` then gets the figures too. A part
    that fails is listed with its reason; the others are still measured.

    Args:
        run: the run's directory.
        data: data to compare with; by default the training data.
        samples: pictures to draw, at least 10; figures that compare sets use at most as many as there are test images.
        fields: fixed values of inputs with role steps, guidance or truncation, name -> value.
        device: "cpu" or "cuda".
        inception: TorchScript file of the Inception network, for FID and IS; None leaves them out.
        output: location of the two documents, as for `locate_output`; the run stays unchanged.
        explain: write the folder `explanation/` beside them too: what some pictures hang on, and directions of the
            latent space.
        pool: of `open_pool`, whose workers draw the samples; by default this process does. The figures are the same.
        progress: called with a description of the step and the share done, 0 to 1.

    Raises:
        UsageError: an argument is not allowed, or the data does not fit the generator.
        CheckpointError: the snapshot is damaged.
        DataError: the data on disk cannot be used.
        EvaluationError: the data allows no feature net, no part applies, or the Inception network is missing.
        MissingExtra: `explain` is asked for, and captum is not installed.
    """
    root = Path(run)
    page, document = locate_output(output or root)
    check_parent(page, "--output")
    _check_device(device)
    if explain:
        require("captum", "explain")
    network = Inception(inception, device) if inception is not None else None
    progress("reading the snapshot and its data", 0.0)
    snapshot = load_snapshot(root)
    settings = EvaluationSettings(samples, fields or {}, network, _maker(pool, snapshot, device))
    train, test = _data(snapshot, data).split()
    net = feature_net(
        train,
        test,
        device=device,
        progress=lambda share: progress("training the feature net", _NET_SHARE * share),
    )
    context = EvaluationContext(snapshot.generator(), snapshot.info.signature, train, test, net, settings)
    left = 1 - _NET_SHARE - (_EXPLANATION_SHARE if explain else 0)
    sections, panels = measure(context, lambda step, share: progress(step, _NET_SHARE + left * share))
    if explain:
        folder = explanation_folder(page)
        section, panels[EXPLANATION] = _explained(context, snapshot, folder, progress)
        sections = (*sections, section)
    evaluation = _document(snapshot, context, sections)
    write_bytes(page, render_page(root.name or str(root), evaluation, panels))
    write_bytes(document, evaluation.model_dump_json(indent=2) + "\n")
    if output is None:
        quality = {**snapshot.info.quality, **evaluation.quality()}
        info = snapshot.info.model_copy(update={"quality": quality})
        write_bytes(root / INFO_NAME, info.model_dump_json(indent=2) + "\n")
    return evaluation


def _maker(
    pool: Pool | None, snapshot: Snapshot, device: str
) -> Callable[[dict[str, NDArray[Any]]], NDArray[np.uint8]] | None:
    if pool is None or pool.inline:
        return None

    def make(inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        found = snapshot.info
        work = PictureWork(
            snapshot.path, found.weights_sha256, found.signature, inputs, PICTURES_AT_ONCE, device
        )
        return np.concatenate(pool.in_order(work, work.pieces))

    return make


def _explained(
    context: EvaluationContext, snapshot: Snapshot, folder: Path, progress: Progress
) -> tuple[Section, tuple[Panel, ...]]:
    """Explain pictures, write the folder, and give the section of the page; an old folder goes if it fails."""
    share = 1 - _EXPLANATION_SHARE

    def report(step: str, done: float) -> None:
        progress(f"explaining: {step}", share + _EXPLANATION_SHARE * done)

    try:
        explanation, files = explain_generator(context, snapshot.info, report)
    except LithoError as error:
        remove_directory(folder)
        return Section(part=EXPLANATION, title=TITLE, failure=str(error)), ()
    with write_directory(folder) as temporary:
        (temporary / EXPLANATION_NAME).write_text(explanation.model_dump_json(indent=2) + "\n")
        for name, content in files.items():
            (temporary / name).write_bytes(content)
    found = measured(explanation, files)
    return Section(part=EXPLANATION, title=TITLE, figures=found.figures), found.panels


def _check_device(device: str) -> None:
    import torch

    kind, number = parse_device(device, "PyTorch", ("cpu", "cuda"))
    if kind == "cuda" and number >= torch.cuda.device_count():
        raise UsageError(f"PyTorch finds {torch.cuda.device_count() or 'no'} GPU, so there is no {device!r}")


def _document(snapshot: Snapshot, context: EvaluationContext, sections: tuple[Section, ...]) -> Evaluation:
    return Evaluation(
        family=snapshot.info.family,
        preset=snapshot.info.preset,
        nimg=snapshot.info.nimg,
        weights_sha256=snapshot.info.weights_sha256,
        data=context.train.name,
        data_sha256=context.net.info.data_sha256,
        train_count=len(context.train),
        test_count=len(context.test),
        feature_net=context.net.info,
        samples=context.samples,
        fields=context.fields,
        device=context.device,
        inception_sha256=context.inception.sha256 if context.inception else None,
        sections=sections,
    )


def measure(
    context: EvaluationContext, progress: Progress = quiet
) -> tuple[tuple[Section, ...], dict[str, tuple[Panel, ...]]]:
    """Run every part that applies.

    Returns:
        The sections, and name of each part -> its pictures.

    Raises:
        EvaluationError: no part applies.
    """
    parts = [(name, part) for name, part in all_parts() if part.applies(context)]
    if not parts:
        taken = ", ".join(field.name for field in context.signature.inputs)
        raise EvaluationError(f"no part of the evaluation applies to a generator with the inputs {taken}")
    sections: list[Section] = []
    panels: dict[str, tuple[Panel, ...]] = {}
    for number, (name, part) in enumerate(parts):
        progress(part.title.lower(), number / len(parts))
        try:
            found = part.measure(context)
            sections.append(Section(part=name, title=part.title, figures=found.figures))
            panels[name] = found.panels
        except LithoError as error:
            sections.append(Section(part=name, title=part.title, failure=str(error)))
        except ValidationError as error:
            reason = f"invalid {error.title}: {expected(error.errors()[0])}"
            sections.append(Section(part=name, title=part.title, failure=reason))
    return tuple(sections), panels


def _data(snapshot: Snapshot, name: str | None) -> Dataset:
    """The data with the size and channels of the generator's pictures."""
    if name is None and snapshot.info.data is None:
        raise UsageError(f"{snapshot.path / INFO_NAME} does not name its training data; give --data")
    height, width, channels = snapshot.info.signature.output.shape
    known = name or (snapshot.info.data.name if snapshot.info.data else "")
    dataset = load(known, resolution=height if height == width and height > 0 else None, channels=channels)
    trained = snapshot.info.data
    if name is None and trained is not None and trained.class_names != dataset.class_names:
        raise UsageError(
            f"the classes of data {known!r} have changed since {snapshot.path} was trained; give --data"
        )
    return dataset
