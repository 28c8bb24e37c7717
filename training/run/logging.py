"""What a training tells of itself: lines of statistics, sample grids, TensorBoard and a progress bar."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
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
from ..evaluation.pixel_metrics import made_again, with_captions
from ..networks.image_to_image import side_by_side
from ..networks.pixel_model import PixelModel, as_taken

__all__ = ["ProgressBar", "Statistics", "StatisticsFile", "comparison_grid", "sample_grid", "trackers"]

SAMPLE_COLUMNS = 10
SAMPLE_ROWS = 10
COMPARISONS = 20


class Statistics:
    """Means of scalars between two lines.

    Args:
        sums: name -> sum and number of the values so far.
    """

    def __init__(self, sums: Mapping[str, tuple[float, int]] | None = None) -> None:
        self.sums = dict(sums or {})

    def add(self, values: Mapping[str, float]) -> None:
        """Take in one step's scalars."""
        for name, number in values.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + number, count + 1)

    def means(self) -> dict[str, float]:
        """The means, after which counting starts anew."""
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums.clear()
        return means


class StatisticsFile:
    """`stats.jsonl`: one JSON object a line, each with `nimg`, in ascending order.

    Args:
        path: of the file.
        nimg: how far the training is; lines beyond it, and a line cut short, are what a killed process wrote
            after its last checkpoint: they are taken off, and will be written again.
    """

    def __init__(self, path: Path, nimg: int) -> None:
        self._path = path
        before = path.read_bytes() if path.exists() else b""
        kept = b"".join(line for line in before.splitlines(keepends=True) if _is_up_to(line, nimg))
        if kept != before:
            write_bytes(path, kept)

    def append(self, line: Mapping[str, float]) -> None:
        """Write one line and flush it to the disk."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _is_up_to(line: bytes, nimg: int) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        return json.loads(line)["nimg"] <= nimg
    except (ValueError, KeyError, TypeError):
        return False


def sample_grid(
    path: Path, picture: PixelModel, device: torch.device, captions: Sequence[str] | None = None
) -> None:
    """Write a grid of pictures from the same inputs every time, a class a row where there are classes.

    Args:
        path: of the PNG file.
        picture: seed -> pixels.
        device: that it is on.
        captions: what prompts are taken from, evenly.
    """
    label = picture.signature.field(Role.LABEL)
    rows = SAMPLE_ROWS if label is None else int(label.maximum or 0) + 1
    values = sample_inputs(picture.signature, rows, captions)
    with torch.inference_mode():
        # A row at a time: a wide network's features for a hundred pictures at once may not fit.
        parts = [
            picture(*as_taken(row, device)).cpu().numpy()
            for row in zip(*(np.split(value, rows) for value in values), strict=True)
        ]
    names = label.class_names or () if label else ()
    grid = picture_grid(np.concatenate(parts), columns=SAMPLE_COLUMNS, row_names=names)
    write_file(path, lambda temporary: grid.save(temporary, format="PNG"))


def comparison_grid(path: Path, picture: PixelModel, device: torch.device, dataset: Dataset) -> None:
    """Write a grid of sources, what is made of each, and what should be, side by side.

    Args:
        path: of the PNG file.
        picture: source[, mask][, seed] -> pixels.
        device: that it is on.
        dataset: images to be made, at most `COMPARISONS` of them, spread evenly.
    """
    rows = np.linspace(0, len(dataset) - 1, min(COMPARISONS, len(dataset))).round().astype(np.int64)
    shown = dataset.select(rows)
    source, made = made_again(picture, shown, device)
    grid = side_by_side({"source": source, "made": made, "wanted": shown.images}, across=2)
    write_file(path, lambda temporary: grid.save(temporary, format="PNG"))


def sample_inputs(
    signature: Signature, rows: int, captions: Sequence[str] | None = None
) -> list[NDArray[Any]]:
    """Inputs of `rows` times `SAMPLE_COLUMNS` pictures, in the signature's order: seeds from 0, a label a row."""
    values = with_captions(signature.example(rows * SAMPLE_COLUMNS), signature, captions)
    for field in signature.inputs:
        if field.role is Role.SEED:
            values[field.name] = np.arange(rows * SAMPLE_COLUMNS, dtype=np.int64)
        elif field.role is Role.LABEL:
            values[field.name] = np.repeat(np.arange(rows, dtype=np.int64), SAMPLE_COLUMNS)
    return list(values.values())


def trackers() -> str | None:
    """The trackers of `accelerate` to log with: TensorBoard where it is installed."""
    return "tensorboard" if find_spec("tensorboard") else None


class _Speed(TextColumn):
    """Images per second, over the last half minute or so."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.0f} images/s", style="progress.data.speed")


class ProgressBar:
    """A bar on standard error with images, speed and time left; silent where that is not a terminal.

    Args:
        progress: what draws it.
        title: in front of the bar.
        done, total: images.
    """

    def __init__(self, progress: Progress, title: str, done: int, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total, completed=done)

    def advance(self, images: int) -> None:
        """Count images that are done."""
        self._progress.advance(self._task, images)

    @classmethod
    @contextmanager
    def open(cls, title: str, done: int, total: int, *, shown: bool) -> Iterator[ProgressBar]:
        """Show a bar while the block runs.

        Args:
            title: in front of the bar.
            done: images done before, which do not count for the speed.
            total: images in all.
            shown: False hides it even on a terminal.
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
            yield cls(progress, title, done, total)
