"""What every preset reached, beside what it owes: trains, evaluates, and keeps the figures.

    python -m litho.benchmarks.quality cgan-mnist vae-mnist --budget cpu

A run that is finished is not trained again, and one that was evaluated with these weights is not measured again. The
figures go to `results/quality.json`, where the ones of other presets stay, and to `docs/quality.md` with a grid of
pictures for each; a test holds page and document equal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from ..bundle.json_documents import Document, read_document
from ..errors import BundleError, LithoError, SchemaError, UnknownName
from ..files import write_bytes
from ..training.evaluation.document import Evaluation, FeatureNetInfo, Figure, read_evaluation
from ..training.presets import PRESETS
from ..training.recipe import BUDGETS, Budget
from .bars import FEATURE_NETS, Outcome, outcomes
from .machine import Machine, describe_machine

__all__ = ["Entry", "Quality", "main", "measure", "page", "read_quality"]

SCHEMA_VERSION = 1
ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "quality.json"
PAGE = ROOT / "docs" / "quality.md"
PICTURES = ROOT / "docs" / "quality"

_INTRODUCTION = """# What the presets reach
Measured by `python -m litho.benchmarks.quality PRESET ... --budget cpu`, which trains, evaluates and writes this page;
[quality.json](../benchmarks/results/quality.json) has every figure with its floor, ceiling and machine. FD is the
Fréchet distance in the features of a small classifier of the same data, trained here: comparable between generators
of one data set, never with an FID. *Floor* is what real test pictures get, *ceiling* what noise, or the picture
untouched, gets.
"""


class Entry(Document):
    """One preset at one budget.

    Args:
        preset, budget: what was trained.
        recipe: all that decided the weights.
        nimg: images seen.
        minutes: of training, without loading the data and without pauses.
        weights_sha256: of the snapshot that was measured.
        data_sha256: of the images that it was measured with.
        feature_net: the judge.
        figures: all that was measured.
        failures: parts that could not be measured, each with its reason.
        outcomes: the bars of the preset at this budget.
        machine: that trained and measured it.
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


class Quality(Document):
    """Everything that was measured; written as `quality.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    entries: tuple[Entry, ...] = ()

    def with_entry(self, entry: Entry) -> Quality:
        """The same with one entry in the place of the one of its preset and budget, in the presets' order."""
        others = [old for old in self.entries if (old.preset, old.budget) != (entry.preset, entry.budget)]
        order = list(PRESETS)
        entries = sorted([*others, entry], key=lambda one: (order.index(one.preset), one.budget))
        return self.model_copy(update={"entries": tuple(entries)})


def measure(preset: str, *, budget: Budget = "cpu", runs: Path = Path("runs"), device: str = "cpu") -> Entry:
    """Train a preset where that is not done, evaluate it where that is not done, and judge it.

    Args:
        preset: name of a line of `presets.PRESETS`.
        budget: one of `recipe.BUDGETS`.
        runs: folder of runs; the preset's is the one of its name.
        device: "cpu" or "cuda", for the evaluation.

    Raises:
        LithoError: training or evaluation failed.
    """
    from ..training.evaluation import evaluate
    from ..training.loop import train
    from ..training.run.snapshot import load_snapshot

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
    )


def read_quality(path: Path = RESULT) -> Quality:
    """What was measured so far; nothing where there is no such file.

    Raises:
        SchemaError: the file is damaged, foreign, or of a newer litho.
    """
    if not path.exists():
        return Quality()
    document = read_document(path.parent, path.name, SCHEMA_VERSION)
    try:
        return Quality.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise SchemaError(f"{path} holds no quality figures: {error.errors()[0]['msg']}") from None


def page(quality: Quality) -> str:
    """The page of all entries, in Markdown."""
    return "\n".join([_INTRODUCTION, *_summary(quality), "", *_nets(quality), "", *_sections(quality)])


def main(
    presets: Annotated[list[str], typer.Argument(help="Names of presets.")],
    budget: Annotated[str, typer.Option(help=" or ".join(BUDGETS))] = "cpu",
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    device: Annotated[str, typer.Option(help="cpu or cuda, for the evaluation.")] = "cpu",
) -> None:
    """Train and measure presets, and write down what they reached."""
    try:
        for preset in presets:
            _check(preset, budget)
        for preset in presets:
            entry = measure(preset, budget=budget, runs=runs, device=device)  # pyright: ignore[reportArgumentType]
            quality = read_quality().with_entry(entry)
            write_bytes(RESULT, quality.model_dump_json(indent=1) + "\n")
            _copy_pictures(runs / preset, preset)
            write_bytes(PAGE, page(quality))
            typer.echo("\n".join(_rows_of(entry)))
    except LithoError as error:
        typer.echo(f"quality: error: {error}", err=True)
        raise typer.Exit(1) from None


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
    """Sum over the lines of statistics: what a resumed training did twice, or waited, is not in them."""
    seconds, before = 0.0, 0
    for text in (run / "stats.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        seconds += (line["nimg"] - before) / line["images_per_second"]
        before = line["nimg"]
    return seconds


def _copy_pictures(run: Path, preset: str) -> None:
    samples = sorted((run / "samples").glob("*.png"))
    write_bytes(PICTURES / f"{preset}.png", samples[-1].read_bytes())


def _summary(quality: Quality) -> list[str]:
    head = [
        "| preset | budget | images seen | minutes | figure | reached | owed | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return head + [row for entry in quality.entries for row in _rows_of(entry)]


def _rows_of(entry: Entry) -> list[str]:
    start = f"| `{entry.preset}` | {entry.budget} | {entry.nimg:,} | {entry.minutes:.0f} |"
    if not entry.outcomes:
        return [f"{start} see below | | | |"]
    return [
        f"{start} {_figure_words(outcome)} | {_number(outcome.value)} |"
        f" {'≤' if outcome.bar.better == 'lower' else '≥'} {_number(outcome.limit)} |"
        f" {'reached' if outcome.reached else '**short**'} |"
        for outcome in entry.outcomes
    ]


def _figure_words(outcome: Outcome) -> str:
    words = {
        "value": "",
        "share of the ceiling": ", of the ceiling's",
        "gain over the ceiling": ", gain over the ceiling",
    }
    return outcome.bar.metric.removesuffix("-") + words[outcome.bar.reading]


def _nets(quality: Quality) -> list[str]:
    rows = {
        entry.feature_net.name: f"| {entry.feature_net.name} | {entry.feature_net.accuracy:.2%} |"
        f" {_owed(entry.feature_net.name)} | `{entry.feature_net.weights_sha256[:16]}` |"
        for entry in quality.entries
    }
    head = ["## The judges", "| feature net | test accuracy | owed | weights |", "|---|---|---|---|"]
    return head + [rows[name] for name in sorted(rows)]


def _owed(net: str) -> str:
    return f"≥ {FEATURE_NETS[net]:.1%}" if net in FEATURE_NETS else ""


def _sections(quality: Quality) -> list[str]:
    lines: list[str] = []
    for entry in quality.entries:
        machine = entry.machine
        hardware = ", ".join(machine.gpus) or f"{machine.cores} cores of {machine.processor}"
        lines += [
            f"## {entry.preset}, budget {entry.budget}",
            f"{entry.nimg:,} images in {entry.minutes:.0f} minutes on {hardware}.",
            "",
            "| figure | value | floor | ceiling |",
            "|---|---|---|---|",
            *(
                f"| {figure.name} | {_number(figure.value)} | {_beside(figure.floor, figure.floor_of)} |"
                f" {_beside(figure.ceiling, figure.ceiling_of)} |"
                for figure in entry.figures
            ),
            "",
            *(f"Not measured: {failure}\n" for failure in entry.failures),
            f"![Samples of {entry.preset}](quality/{entry.preset}.png)",
            "",
        ]
    return lines


def _beside(value: float | None, what: str) -> str:
    return "" if value is None else f"{_number(value)} ({what})"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    typer.run(main)
