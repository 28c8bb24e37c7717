"""Whether a change made a target slower: two results of `litho bench`, or two folders of them, compared in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Literal

from ....bundle.json_documents import Document
from ....errors import UsageError
from ....reporting import number
from ..documents.result import BenchResult, read_result
from ..documents.windows import Point, Window
from .effect import FEWEST_PAIRS, TOLERANCE, Effect, Verdict

__all__ = ["Change", "LoadChange", "change_of", "read_runs", "rows_of"]

NAME = "bench.json"


class LoadChange(Document):
    """The change under one load.

    Args:
        load: in words.
        measure: what was compared: in an open loop, whose throughput is given, the inverse of the median latency.
        first, second: the figures: images/s, or the median latency in milliseconds.
        ratios: speed of B over that of A, of each pair.
        effect: of these ratios.
        problem: which side counts for nothing under this load, and why; empty if both count.
    """

    load: str
    measure: Literal["images/s", "p50 ms"]
    first: float
    second: float
    ratios: tuple[float, ...]
    effect: Effect
    problem: str = ""

    @property
    def verdict(self) -> Verdict | Literal["invalid"]:
        """Verdict on this load."""
        return "invalid" if self.problem else self.effect.verdict


class Change(Document):
    """What changed from A to B.

    Args:
        schema_version: of this document.
        first, second: names of the targets, as they were given.
        first_at, second_at: when the runs of each began, UTC, ISO 8601.
        unit: what a pair is made of: "runs", or "windows" where there are too few runs.
        loads: every load that both sides have.
        overall: of all loads together.
        remarks: what a reader must know to judge the verdict, a sentence each.
    """

    schema_version: Literal[1] = 1
    first: str
    second: str
    first_at: tuple[str, ...]
    second_at: tuple[str, ...]
    unit: Literal["runs", "windows"]
    loads: tuple[LoadChange, ...]
    overall: Effect
    remarks: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict | Literal["invalid"]:
        """Invalid or slower if any load is so, else what all loads together are."""
        found = [load.verdict for load in self.loads]
        if "invalid" in found:
            return "invalid"
        if "slower" in found:
            return "slower"
        return self.overall.verdict

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        effect, verdict = self.overall, self.verdict
        if verdict == "invalid":
            problem = next(load for load in self.loads if load.problem)
            return f"nothing can be said: at {problem.load} {problem.problem}"
        beyond = f"beyond the tolerance of {effect.tolerance:.0%}"
        within = f"within the tolerance of {effect.tolerance:.0%}"
        figures = f"its speed is {effect} times that of A"
        if verdict == "slower" and effect.verdict != "slower":
            worst = min(
                (load for load in self.loads if load.verdict == "slower"), key=lambda load: load.effect.ratio
            )
            return f"B is slower at {worst.load}: its speed is {worst.effect} times that of A, {beyond}"
        if verdict == "not decided":
            few = effect.pairs < FEWEST_PAIRS
            reason = (
                f"{effect.pairs} pairs are too few, it takes {FEWEST_PAIRS}" if few else f"not all {within}"
            )
            return f"not decided: {figures}, {reason}; measure longer, or several times in turns"
        if verdict == "same":
            return f"B is as fast as A: {figures}, {within}"
        return f"B is {verdict}: {figures}, {beyond}"


def read_runs(path: Path) -> tuple[BenchResult, ...]:
    """The results of one side: a file, a folder with a `bench.json`, or a folder of either, by time.

    Raises:
        UsageError: there is no such path, or no result.
        SchemaError: a file is not a result of `litho bench`.
    """
    if not path.exists():
        raise UsageError(f"there is no {str(path)!r}; give a {NAME}, a folder with one, or a folder of them")
    if path.is_file():
        return (read_result(path),)
    if (path / NAME).is_file():
        return (read_result(path / NAME),)
    inside = sorted(path.iterdir()) if path.is_dir() else []
    files = [entry / NAME if entry.is_dir() else entry for entry in inside]
    files = [file for file in files if file.suffix == ".json" and file.is_file()]
    if not files:
        raise UsageError(
            f"{path} has no result of 'litho bench'; give a {NAME}, a folder with one, or a folder of them"
        )
    return tuple(sorted((read_result(file) for file in files), key=lambda run: run.measured_at))


def change_of(
    first: Sequence[BenchResult], second: Sequence[BenchResult], tolerance: float = TOLERANCE
) -> Change:
    """Compare two sides load by load.

    Pairs are runs in their order of time, if each side has six or more; else windows in their order. Runs measured in
    turns (A, B, B, A, ...) make pairs that saw the same machine; of single runs the verdict does not know how much
    the machine changed between them.

    Args:
        first, second: the runs of A and of B, not empty; see `read_runs`.
        tolerance: change of the speed that counts as none, above 0 and below 1.

    Raises:
        UsageError: the two sides have no load in common, or a side measured different targets.
    """
    for side, runs in (("A", first), ("B", second)):
        if len(names := {run.target for run in runs}) > 1:
            raise UsageError(
                f"{side} has results of different targets: {', '.join(sorted(names))}; give those of one"
            )
    many = min(len(first), len(second)) >= FEWEST_PAIRS
    ours, theirs = _points(first), _points(second)
    common = [load for load in ours if load in theirs]
    if not common:
        raise UsageError(
            f"A was measured at {'; '.join(ours)}, B at {'; '.join(theirs)}; measure both at the same load"
        )
    loads = tuple(
        _load_change(load, ours[load], theirs[load], by_run=many, tolerance=tolerance) for load in common
    )
    return Change(
        first=first[0].target,
        second=second[0].target,
        first_at=tuple(run.measured_at for run in first),
        second_at=tuple(run.measured_at for run in second),
        unit="runs" if many else "windows",
        loads=loads,
        overall=Effect.of([load.ratios for load in loads], tolerance),
        remarks=tuple(_remarks(first, second, sorted(set(ours) ^ set(theirs), key=str))),
    )


def rows_of(change: Change) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of a table, a row for each load."""
    headings = [
        "load",
        "A|right",
        "B|right",
        "measure",
        "B / A (95 % interval)|right",
        "pairs|right",
        "verdict",
    ]
    return headings, [
        [
            load.load,
            number(load.first),
            number(load.second),
            load.measure,
            str(load.effect),
            str(load.effect.pairs),
            load.verdict,
        ]
        for load in change.loads
    ]


def _points(runs: Sequence[BenchResult]) -> dict[str, list[Point]]:
    """Scenario and load in words -> its point in each run that has it."""
    found: dict[str, list[Point]] = {}
    for run in runs:
        for point in run.points:
            name = (
                str(point.load)
                if run.method.scenario == "closed-loop"
                else f"{run.method.scenario}, {point.load}"
            )
            found.setdefault(name, []).append(point)
    return found


def _load_change(
    load: str, first: Sequence[Point], second: Sequence[Point], *, by_run: bool, tolerance: float
) -> LoadChange:
    open_loop = first[0].offered_rate is not None
    pairs = zip(_units(first, by_run), _units(second, by_run), strict=False)
    ratios = [
        a.latency.p50_ms / b.latency.p50_ms if open_loop else b.images_per_second / a.images_per_second
        for a, b in pairs
    ]
    shown = [
        median(point.latency.p50_ms if open_loop else point.images_per_second for point in points)
        for points in (first, second)
    ]
    return LoadChange(
        load=load,
        measure="p50 ms" if open_loop else "images/s",
        first=shown[0],
        second=shown[1],
        ratios=tuple(ratios),
        effect=Effect.of([ratios], tolerance),
        problem=next(
            (
                f"{side} does not count: {problem}"
                for side, points in (("A", first), ("B", second))
                for point in points
                if (problem := point.invalid or point.beyond_reach)
            ),
            "",
        ),
    )


def _units(points: Sequence[Point], by_run: bool) -> Sequence[Point | Window]:
    """What pairs are made of: each run's point, or all windows of all runs, in the order of measurement."""
    return points if by_run else [window for point in points for window in point.windows]


def _remarks(
    first: Sequence[BenchResult], second: Sequence[BenchResult], unpaired: Sequence[str]
) -> Iterator[str]:
    a, b = first[0], second[0]
    for name in ("processor", "cores", "gpus", "system"):
        if getattr(a.machine, name) != getattr(b.machine, name):
            theirs = " and ".join(_words(getattr(run.machine, name)) for run in (a, b))
            yield f"A and B were measured on different machines ({name}: {theirs})."
    for name in ("variant", "precision", "grade", "kind"):
        if getattr(a, name) != getattr(b, name):
            yield f"A and B differ in {name}: {getattr(a, name) or 'none'} and {getattr(b, name) or 'none'}."
    versions = sorted(
        f"{package} {a.machine.versions[package]} and {b.machine.versions[package]}"
        for package in a.machine.versions.keys() & b.machine.versions.keys()
        if a.machine.versions[package] != b.machine.versions[package]
    )
    if versions:
        yield f"A and B differ in versions: {', '.join(versions)}."
    if unpaired:
        yield f"Only one side has {'; '.join(unpaired)}."
    for side, runs in (("A", first), ("B", second)):
        if stopped := [run.stopped or "it was stopped" for run in runs if not run.complete]:
            yield f"{side} has {len(stopped)} runs that ended early: {stopped[0]}."
    if not _in_turns(first, second):
        yield (
            "A and B were not measured in turns: a change of the machine between them counts as a change of B;"
            " measure both several times in turns, or with 'litho bench B --against A'."
        )


def _in_turns(first: Sequence[BenchResult], second: Sequence[BenchResult]) -> bool:
    """Whether each side has a run before the last run of the other."""
    return (
        min(run.measured_at for run in second) <= max(run.measured_at for run in first)
        and min(run.measured_at for run in first) <= max(run.measured_at for run in second)
        and min(len(first), len(second)) > 1
    )


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
