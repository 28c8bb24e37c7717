"""What `bench` measures and how far it has come: sides, their turns, and points even of a run that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import LithoError
from ...reporting.progress import Progress
from ...runners import Runner
from ...signature.noise import MAX_SEED
from .comparison.compare import compare
from .documents.measurement import Measurement
from .documents.result import BenchResult, Comparison, Pair
from .documents.windows import Judged, Load, Point, Window
from .measuring.in_flight import overlaps
from .measuring.meter import Meter
from .measuring.probing import Gauge, Probes
from .measuring.references import Reference

__all__ = [
    "Side",
    "Stopped",
    "Turns",
    "another_seed",
    "compare_sides",
    "points_of",
    "sweep",
    "variant_facts",
]

WARMUP_SHARE = 0.2
"""Share of each turn that is warm-up."""

_INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended: 128 and the number of the signal."""


class Stopped(LithoError):
    """A measurement ended before it was complete.

    Args:
        reason: why.
        result: of what was measured before; None if that is nothing.
        exit_code: of the command.
    """

    def __init__(self, reason: str, result: BenchResult | None, exit_code: int) -> None:
        super().__init__(reason)
        self.result, self.exit_code = result, exit_code

    @classmethod
    def by(cls, error: BaseException, result: BenchResult | None = None) -> Stopped:
        """What `error` makes of a measurement: Ctrl-C, or an error of litho."""
        if isinstance(error, LithoError):
            return cls(str(error), result, error.exit_code)
        return cls("interrupted", result, _INTERRUPTED)


@dataclass(frozen=True)
class Side:
    """One side of a comparison, or what is measured alone.

    Args:
        runner: that answers.
        meter: measures it.
        reference: the right pictures; None if they are not checked.
        gauge: reads what it uses; None if that is not known.
        server_process_id: of its server, if that was said.
    """

    runner: Runner
    meter: Meter
    reference: Reference | None = None
    gauge: Gauge | None = None
    server_process_id: int | None = None

    @property
    def probes(self) -> Probes | None:
        """Inputs whose pictures are checked."""
        return None if self.reference is None else Probes(self.reference.inputs)

    def judged(self, slo_ms: float | None = None) -> Judged:
        """How its measurements are judged."""
        return Judged(slo_ms) if self.reference is None else Judged(slo_ms, self.reference.judged)


@dataclass
class Turns:
    """Measures one window at a time, all of the same length, and reports progress.

    Args:
        seconds: length of all turns.
        count: number of turns.
        progress: called with the step and the share that is done.
    """

    seconds: float
    count: int
    progress: Progress
    _done: int = field(default=0, init=False)

    @property
    def warmup_seconds(self) -> float:
        """Duration of the load before each window."""
        return self.seconds / self.count * WARMUP_SHARE

    @property
    def window_seconds(self) -> float:
        """Shortest length of a window."""
        return self.seconds / self.count - self.warmup_seconds

    def take(self, side: Side, load: Load) -> Measurement:
        """Measure the next window."""
        step = f"measuring {side.runner.name} at {load}"
        self.progress(step, self._done / self.count)
        measurement = side.meter.take(
            load,
            warmup_seconds=self.warmup_seconds,
            seconds=self.window_seconds,
            probes=side.probes,
            gauge=side.gauge,
        )
        self._done += 1
        self.progress(step, self._done / self.count)
        return measurement


def sweep(
    turns: Turns, side: Side, measured: dict[Load, list[Measurement]], rounds: int, slo_ms: float | None
) -> tuple[Point, ...]:
    """Measure every load once in each round.

    Args:
        turns: take the windows.
        side: that is measured.
        measured: load -> its windows; they are added here, so that those before an error are not lost.
        rounds: windows of each load.
        slo_ms: bound on latency for the goodput, in milliseconds; None for none.
    """
    for _ in range(rounds):
        for load, windows in measured.items():
            windows.append(turns.take(side, load))
    return points_of(side, measured, slo_ms)


def points_of(side: Side, measured: dict[Load, list[Measurement]], slo_ms: float | None) -> tuple[Point, ...]:
    """The points of the loads that have a window."""
    judged = side.judged(slo_ms)
    return tuple(Point.of(load, windows, judged) for load, windows in measured.items() if windows)


def compare_sides(turns: Turns, side: Side, other: Side, point: Point, pairs: int) -> Comparison:
    """Compare with another side at the load of `point`; a side whose pictures are wrong counts for nothing."""
    load = point.load
    if not overlaps(other.runner):
        formed = point.server.mean_batch if point.server and point.server.executions else load.batch
        load = Load(concurrency=1, batch=max(1, round(formed)))
    taken: dict[str, list[Measurement]] = {"A": [], "B": []}

    def window(name: str, one: Side, at: Load) -> Window:
        taken[name].append(turns.take(one, at))
        return Window.of(taken[name][-1])

    made: Sequence[Pair] = compare(
        lambda: window("A", side, point.load), lambda: window("B", other, load), pairs=pairs
    )
    whole = [Point.of(point.load, taken["A"], side.judged()), Point.of(load, taken["B"], other.judged())]
    return Comparison(
        first=side.runner.description,
        second=other.runner.description,
        first_variant=side.runner.variant,
        second_variant=other.runner.variant,
        first_load=point.load,
        second_load=load,
        pairs=tuple(made),
        problems=tuple(
            f"comparison, {one.runner.description}: {found.invalid}"
            for one, found in zip((side, other), whole, strict=True)
            if found.invalid
        ),
    )


def another_seed(first_seed: int) -> int:
    """A first seed for the other side: neither gets a seed that the other has had, so that no cache can help it."""
    return (first_seed + 2**48) % (MAX_SEED + 1)


def variant_facts(reference: Reference | None, runner: Runner) -> dict[str, Any]:
    """Sizes and build times of the files of a runner's variants, where its bundle is known."""
    bundle = None if reference is None else reference.bundle
    if bundle is None:
        return {}
    names = set(runner.variant.split(","))
    variants = [variant for variant in bundle.manifest.variants if variant.name in names]
    built = {one.file: one.engine.build_seconds for one in variants if one.engine is not None}
    return {
        "sizes": {one.file: bundle.manifest.files[one.file].size_bytes for one in variants},
        "build_seconds": {file: seconds for file, seconds in built.items() if seconds is not None},
    }
