"""Logs of a training: statistics, TensorBoard, sample grids and a progress bar."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ...files import write_bytes, write_file
from ...reporting import picture_grid
from ...signature import Signature
from ...signature.fields import Role
from ..data.dataset import Dataset
from ..metrics.pixels import fill_prompts, translate_sources
from ..networks.image_to_image import side_by_side
from ..networks.pixel_model import PixelModel, model_inputs

__all__ = ["Statistics", "StatisticsLog", "comparison_grid", "progress_bar", "sample_grid"]

SAMPLE_COLUMNS = 10
SAMPLE_ROWS = 10
COMPARISONS = 20


class Statistics:
    """Means of scalars since the last line of statistics.

    Args:
        sums: name -> sum and number of the values so far.
    """

    def __init__(self, sums: Mapping[str, tuple[float, int]] | None = None) -> None:
        self.sums = dict(sums or {})

    def add(self, values: Mapping[str, float]) -> None:
        """Add the scalars of one step."""
        for name, number in values.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + number, count + 1)

    def means(self) -> dict[str, float]:
        """Return the means and start again."""
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums.clear()
        return means


class StatisticsLog:
    """A run's `stats.jsonl`, one JSON object per line in ascending `nimg`, and its TensorBoard events.

    Events are written to `tensorboard/` if the package `tensorboard` is installed.

    Args:
        run: the run's directory.
        nimg: images trained on so far; lines beyond it and truncated lines were written after the last checkpoint of a
            killed process. They are removed and will be written again.
    """

    def __init__(self, run: Path, nimg: int) -> None:
        self._path = run / "stats.jsonl"
        before = self._path.read_bytes() if self._path.exists() else b""
        valid = b"".join(line for line in before.splitlines(keepends=True) if _is_up_to(line, nimg))
        if valid != before:
            write_bytes(self._path, valid)
        self._events = None
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(run / "tensorboard")

    def append(self, nimg: int, values: Mapping[str, float]) -> None:
        """Write one line and flush it to the disk."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"nimg": nimg, **values}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, nimg)
            self._events.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._events is not None:
            self._events.close()


def _is_up_to(line: bytes, nimg: int) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        return json.loads(line)["nimg"] <= nimg
    except (ValueError, RecursionError, KeyError, TypeError):
        return False


def sample_grid(
    path: Path, model: PixelModel, device: torch.device, captions: Sequence[str] | None = None
) -> None:
    """Write a grid of samples, always from the same inputs; one row per class if there are classes.

    Args:
        path: of the PNG file.
        model: generator from inputs to pixels.
        device: of the model.
        captions: source of the prompts, taken at even intervals.
    """
    label = model.signature.field(Role.LABEL)
    rows = SAMPLE_ROWS if label is None else int(label.maximum or 0) + 1
    values = sample_inputs(model.signature, rows, captions)
    with torch.inference_mode():
        # Row by row: the features of a wide network for 100 images may not fit in memory.
        parts = [
            model(*model_inputs(row, device)).cpu().numpy()
            for row in zip(*(np.split(value, rows) for value in values), strict=True)
        ]
    names = label.class_names or () if label else ()
    grid = picture_grid(np.concatenate(parts), columns=SAMPLE_COLUMNS, row_names=names)
    write_file(path, lambda temporary: grid.save(temporary, format="PNG"))


def comparison_grid(path: Path, model: PixelModel, device: torch.device, dataset: Dataset) -> None:
    """Write a grid of source, output and target images side by side.

    Args:
        path: of the PNG file.
        model: image-to-image generator from inputs to pixels.
        device: of the model.
        dataset: target images; at most `COMPARISONS` of them are shown, taken at even intervals.
    """
    rows = np.linspace(0, len(dataset) - 1, min(COMPARISONS, len(dataset))).round().astype(np.int64)
    shown = dataset.select(rows)
    source, output = translate_sources(model, shown, device)
    grid = side_by_side({"source": source, "made": output, "wanted": shown.images}, across=2)
    write_file(path, lambda temporary: grid.save(temporary, format="PNG"))


def sample_inputs(
    signature: Signature, rows: int, captions: Sequence[str] | None = None
) -> list[NDArray[Any]]:
    """Inputs of `rows` times `SAMPLE_COLUMNS` samples in the signature's order: seeds from 0, one label per row."""
    values = fill_prompts(signature.example(rows * SAMPLE_COLUMNS), signature, captions)
    for field in signature.inputs:
        if field.role is Role.SEED:
            values[field.name] = np.arange(rows * SAMPLE_COLUMNS, dtype=np.int64)
        elif field.role is Role.LABEL:
            values[field.name] = np.repeat(np.arange(rows, dtype=np.int64), SAMPLE_COLUMNS)
    return list(values.values())


class _Speed(TextColumn):
    """Images per second over about the last half minute."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.0f} images/s", style="progress.data.speed")


@contextmanager
def progress_bar(title: str, done: int, total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show images, speed and time left on standard error while the block runs; hidden unless that is a terminal.

    Args:
        title: text before the bar.
        done: images trained on before; they do not count for the speed.
        total: images in all.
        shown: False hides the bar on a terminal too.

    Yields:
        A function that advances the bar by a number of images.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images"),
        _Speed(),
        TimeRemainingColumn(),
    )
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, console=console, disable=hidden) as progress:
        task = progress.add_task(title, total=total, completed=done)
        yield lambda images: progress.advance(task, images)
