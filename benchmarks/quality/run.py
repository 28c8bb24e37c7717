"""Trains and evaluates presets and records their figures beside the quality targets.

    python -m litho.benchmarks.quality cgan-mnist vae-mnist --budget cpu

A finished run is not trained again, and weights that were evaluated are not evaluated again. The figures are written
to `results/quality.json`, which keeps those of the other presets; a grid of pictures per preset goes to
`docs/quality`, and `make figures` writes the tables of `docs/quality.md`.
"""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from PIL import Image

from ...bundle.json_documents import Document, read_as
from ...errors import BundleError, UnknownName
from ...files import write_bytes
from ...training.evaluation.document import Evaluation, FeatureNetInfo, Figure, read_evaluation
from ...training.presets import PRESETS
from ...training.recipe import BUDGETS, Budget
from ..shared.command import errors_of
from ..shared.machine import Machine, describe_machine
from .targets import Outcome, outcomes

__all__ = ["Entry", "Quality", "main", "measure", "read_quality"]

SCHEMA_VERSION = 1
ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "quality.json"
MOST_BYTES = 2**20
"""Of a grid of pictures in the repository."""

PICTURES = ROOT / "docs" / "quality"


class Entry(Document):
    """One preset at one budget.

    Args:
        preset, budget: name and size of the training.
        recipe: the resolved recipe.
        nimg: images seen.
        minutes: training time, without data loading and pauses.
        weights_sha256: of the snapshot.
        data_sha256: of the images that it was evaluated with.
        feature_net: the feature net of the evaluation.
        figures: all measured figures.
        failures: parts that could not be measured, each with its reason.
        outcomes: the preset's targets at this budget, with the values reached.
        machine: that trained and evaluated it.
        measured_at: date and time (UTC) of this document; "" in older ones.
        command: that measured it; "" in older ones.
    """

    preset: str
    budget: Budget
    recipe: dict[str, Any]
    nimg: int
    minutes: float
    weights_sha256: str
    data_sha256: str
    feature_net: FeatureNetInfo
    figures: tuple[Figure, ...]
    failures: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    machine: Machine
    measured_at: str = ""
    command: str = ""

    def judged(self) -> Entry:
        """A copy that is compared with the targets of today."""
        return self.model_copy(update={"outcomes": outcomes(self.preset, self.budget, self.figures)})


class Quality(Document):
    """All measured presets; written as `quality.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    entries: tuple[Entry, ...] = ()

    def with_entry(self, entry: Entry) -> Quality:
        """A copy in which the entry replaces the one of its preset and budget, in the order of `PRESETS`.

        All entries are compared with the targets of today.
        """
        others = [old for old in self.entries if (old.preset, old.budget) != (entry.preset, entry.budget)]
        order = list(PRESETS)
        entries = sorted([*others, entry], key=lambda one: (order.index(one.preset), one.budget))
        return self.model_copy(update={"entries": tuple(one.judged() for one in entries)})

    def entry(self, preset: str, budget: Budget) -> Entry | None:
        """The entry of a preset at a budget; None if it was not measured."""
        return next((one for one in self.entries if (one.preset, one.budget) == (preset, budget)), None)


def measure(preset: str, *, budget: Budget = "cpu", runs: Path = Path("runs"), device: str = "cpu") -> Entry:
    """Train and evaluate a preset unless that is done already, and compare it with its targets.

    Args:
        preset: name of a line of `presets.PRESETS`.
        budget: one of `recipe.BUDGETS`.
        runs: folder of runs; the preset's is the one of its name.
        device: "cpu" or "cuda", for the evaluation.

    Raises:
        LithoError: training or evaluation failed.
    """
    from ...training.evaluation import evaluate
    from ...training.loop import train
    from ...training.run.snapshot import load_snapshot

    run = train(preset, run=runs / preset, budget=budget)
    snapshot = load_snapshot(run)
    evaluation = _evaluated(run, snapshot.info.weights_sha256) or evaluate(run, device=device)
    return Entry(
        preset=preset,
        budget=budget,
        recipe=_recipe(run),
        nimg=evaluation.nimg,
        minutes=round(_training_seconds(run) / 60, 1),
        weights_sha256=evaluation.weights_sha256,
        data_sha256=evaluation.data_sha256,
        feature_net=evaluation.feature_net,
        figures=evaluation.figures,
        failures=tuple(f"{section.title}: {section.failure}" for section in evaluation.failures),
        outcomes=outcomes(preset, budget, evaluation.figures),
        machine=describe_machine(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=f"python -m litho.benchmarks.quality {preset} --budget {budget} --device {device}",
    )


def read_quality(path: Path = RESULT) -> Quality:
    """The recorded figures; empty if the file does not exist.

    Raises:
        SchemaError: the file is damaged, foreign, or of a newer litho.
    """
    if not path.exists():
        return Quality()
    return read_as(Quality, "a valid quality document", path.parent, path.name, SCHEMA_VERSION)


def main(
    presets: Annotated[list[str], typer.Argument(help="Names of presets.")],
    budget: Annotated[str, typer.Option(help=" or ".join(BUDGETS))] = "cpu",
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    device: Annotated[str, typer.Option(help="cpu or cuda, for the evaluation.")] = "cpu",
) -> None:
    """Train and evaluate presets and record their figures."""
    with errors_of("quality"):
        for preset in presets:
            _check(preset, budget)
        for preset in presets:
            entry = measure(preset, budget=budget, runs=runs, device=device)  # pyright: ignore[reportArgumentType]
            quality = read_quality().with_entry(entry)
            write_bytes(RESULT, quality.model_dump_json(indent=1) + "\n")
            samples = sorted((runs / preset / "samples").glob("*.png"))
            write_bytes(PICTURES / f"{preset}.png", _published(samples[-1].read_bytes()))
            typer.echo("\n".join(_lines(entry)))


def _check(preset: str, budget: str) -> None:
    if preset not in PRESETS:
        raise UnknownName("preset", preset, PRESETS)
    if budget not in BUDGETS:
        raise UnknownName("budget", budget, BUDGETS)


def _evaluated(run: Path, weights_sha256: str) -> Evaluation | None:
    try:
        evaluation = read_evaluation(run)
    except BundleError:
        return None
    return evaluation if evaluation.weights_sha256 == weights_sha256 else None


def _recipe(run: Path) -> dict[str, Any]:
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    del recipe["schema_version"]
    return recipe


def _training_seconds(run: Path) -> float:
    """Sum over the lines of statistics, which leave out repeated steps and pauses of a resumed training."""
    seconds, before = 0.0, 0
    for text in (run / "stats.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        seconds += (line["nimg"] - before) / line["images_per_second"]
        before = line["nimg"]
    return seconds


def _lines(entry: Entry) -> list[str]:
    """What the terminal shows."""
    lines = [f"{entry.preset}: {figure.name} {figure.value:.4g}" for figure in entry.figures]
    short = [outcome.target.metric for outcome in entry.outcomes if not outcome.reached]
    return [*lines, f"{entry.preset}: short of its target: {', '.join(short)}"] if short else lines


def _published(grid: bytes) -> bytes:
    """The PNG file of a grid, halved until it is small enough for the repository."""
    while len(grid) > MOST_BYTES:
        with Image.open(io.BytesIO(grid)) as image:
            smaller = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        buffer = io.BytesIO()
        smaller.save(buffer, "PNG", optimize=True)
        grid = buffer.getvalue()
    return grid
