"""Trains and evaluates presets and records their figures beside the quality targets.

    python -m litho.benchmarks.quality cgan-mnist vae-mnist --budget cpu

A finished run is not trained again, and weights that were evaluated are not evaluated again. The figures are written
to `results/quality.json`, which keeps those of the other presets, and to `docs/quality.md` with a grid of pictures per
preset; a test checks that page and document agree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..bundle.json_documents import Document, read_as
from ..errors import BundleError, LithoError, UnknownName
from ..files import write_bytes
from ..training.evaluation.document import Evaluation, FeatureNetInfo, Figure, read_evaluation
from ..training.presets import PRESETS
from ..training.recipe import BUDGETS, Budget
from .machine import Machine, describe_machine
from .quality_targets import FEATURE_NETS, Outcome, outcomes

__all__ = ["Entry", "Quality", "main", "measure", "page", "read_quality"]

SCHEMA_VERSION = 1
ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "quality.json"
PAGE = ROOT / "docs" / "quality.md"
PICTURES = ROOT / "docs" / "quality"

_INTRODUCTION = """# What the presets reach
Measured by `python -m litho.benchmarks.quality PRESET ... --budget cpu`, which trains, evaluates and writes this page;
[quality.json](../benchmarks/results/quality.json) has every figure with its reference, baseline and machine. FD is
the Fréchet distance in the features of a small classifier trained here on the same data: it compares generators of one
data set and never compares with an FID. The *reference* is the figure of real test pictures; the *baseline* is that of
noise, or of the source picture untouched.
"""


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
    """All measured presets; written as `quality.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    entries: tuple[Entry, ...] = ()

    def with_entry(self, entry: Entry) -> Quality:
        """A copy in which the entry replaces the one of its preset and budget, in the order of `PRESETS`."""
        others = [old for old in self.entries if (old.preset, old.budget) != (entry.preset, entry.budget)]
        order = list(PRESETS)
        entries = sorted([*others, entry], key=lambda one: (order.index(one.preset), one.budget))
        return self.model_copy(update={"entries": tuple(entries)})


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
    """The recorded figures; empty if the file does not exist.

    Raises:
        SchemaError: the file is damaged, foreign, or of a newer litho.
    """
    if not path.exists():
        return Quality()
    return read_as(Quality, "a valid quality document", path.parent, path.name, SCHEMA_VERSION)


def page(quality: Quality) -> str:
    """The page of all entries, in Markdown."""
    return "\n".join([_INTRODUCTION, *_summary(quality), "", *_nets(quality), "", *_sections(quality)])


def main(
    presets: Annotated[list[str], typer.Argument(help="Names of presets.")],
    budget: Annotated[str, typer.Option(help=" or ".join(BUDGETS))] = "cpu",
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    device: Annotated[str, typer.Option(help="cpu or cuda, for the evaluation.")] = "cpu",
) -> None:
    """Train and evaluate presets and record their figures."""
    try:
        for preset in presets:
            _check(preset, budget)
        for preset in presets:
            entry = measure(preset, budget=budget, runs=runs, device=device)  # pyright: ignore[reportArgumentType]
            quality = read_quality().with_entry(entry)
            write_bytes(RESULT, quality.model_dump_json(indent=1) + "\n")
            samples = sorted((runs / preset / "samples").glob("*.png"))
            write_bytes(PICTURES / f"{preset}.png", samples[-1].read_bytes())
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
    """Sum over the lines of statistics, which leave out repeated steps and pauses of a resumed training."""
    seconds, before = 0.0, 0
    for text in (run / "stats.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        seconds += (line["nimg"] - before) / line["images_per_second"]
        before = line["nimg"]
    return seconds


def _summary(quality: Quality) -> list[str]:
    head = [
        "| preset | budget | images seen | minutes | figure | reached | target | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return head + [row for entry in quality.entries for row in _rows_of(entry)]


def _rows_of(entry: Entry) -> list[str]:
    start = f"| `{entry.preset}` | {entry.budget} | {entry.nimg:,} | {entry.minutes:.0f} |"
    if not entry.outcomes:
        return [f"{start} see below | | | |"]
    return [
        f"{start} {_figure_words(outcome)} | {_number(outcome.value)} |"
        f" {'≤' if outcome.target.better == 'lower' else '≥'} {_number(outcome.limit)} |"
        f" {'reached' if outcome.reached else '**short**'} |"
        for outcome in entry.outcomes
    ]


def _figure_words(outcome: Outcome) -> str:
    reading = outcome.target.reading
    return outcome.target.metric.removesuffix("-") + ("" if reading == "value" else f", {reading}")


def _nets(quality: Quality) -> list[str]:
    rows = {
        entry.feature_net.name: f"| {entry.feature_net.name} | {entry.feature_net.accuracy:.2%} |"
        f" {_target_words(entry.feature_net.name)} | `{entry.feature_net.weights_sha256[:16]}` |"
        for entry in quality.entries
    }
    head = ["## Feature nets", "| feature net | test accuracy | target | weights |", "|---|---|---|---|"]
    return head + [rows[name] for name in sorted(rows)]


def _target_words(net: str) -> str:
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
            "| figure | value | reference | baseline |",
            "|---|---|---|---|",
            *(
                f"| {figure.name} | {_number(figure.value)} | {_beside(figure.reference, figure.reference_of)} |"
                f" {_beside(figure.baseline, figure.baseline_of)} |"
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
