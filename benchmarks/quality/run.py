"""Trains and evaluates presets and records their figures beside the quality targets.

    python -m litho.benchmarks.quality cgan-mnist vae-mnist --budget cpu

A finished run is not trained again, and weights that were evaluated are not evaluated again. The figures are written
to `results/quality.json`, which keeps those of the other presets; a grid of pictures per preset goes to
`docs/quality`, and `make figures` writes the tables of `docs/quality.md`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

from ...errors import BundleError, UnknownName
from ...files import write_bytes
from ...training.evaluation.document import Evaluation, read_evaluation
from ...training.presets import PRESETS
from ...training.recipe import BUDGETS, Budget
from ..shared.command import errors_of
from ..shared.environment import utc_now
from ..shared.machine import describe_machine
from .documents import RESULT, Entry, read_quality
from .targets import outcomes

__all__ = ["main", "measure"]

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 2**20
"""Largest file of a grid of pictures in the repository, in bytes."""

PICTURES = ROOT / "docs" / "quality"


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
    from ...training.evaluation.evaluate import evaluate
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
        measured_at=utc_now(),
        command=f"python -m litho.benchmarks.quality {preset} --budget {budget} --device {device}",
    )


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
