"""Does `litho bench compare` find a slowdown, and only a slowdown? Measured on a real runner.

Each trial measures A and B several times in turns with `litho bench`, writes the results to two folders, and compares
the folders as the command does. In half of the trials B is A again; in the other half B is A made 15 % slower: after
each call it keeps the processor busy for 15 % of the time that the call took.

    python -m litho.benchmarks.regressions bundles/digits
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from numpy.typing import NDArray

from ...export.timing import in_turns
from ...files import write_bytes
from ...runners import Runner, open_runner
from ..load.comparison.change import Change, change_of, read_runs
from ..load.comparison.effect import TOLERANCE
from ..load.page.page import JSON_NAME
from ..load.sweep import bench
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.environment import describe_environment, utc_now
from ..shared.machine import describe_machine
from .documents import SLOWDOWN, Regressions, Trial, table

__all__ = ["SlowRunner", "measure"]

RESULT = RESULTS / "regressions.json"
LEAST_RUNS, MORE_RUNS, MOST_RUNS = 12, 6, 60
"""Runs of each side of a trial: at first, further ones while it is undecided, and in all. Who looks after every run
sees a difference sooner or later, even where there is none."""


class SlowRunner(Runner):
    """A runner that takes longer than another by a share of each call's time.

    Args:
        inner: does the work; it stays open.
        share: of the time of a call that the processor is kept busy afterwards, 0 or more.
    """

    name = "slow"

    def __init__(self, inner: Runner, share: float) -> None:
        super().__init__(inner.signature, inner.description)
        self.variant, self.precision, self.grade = inner.variant, inner.precision, inner.grade
        self._inner, self._share = inner, share

    def _execute(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        began = time.perf_counter()
        pictures = self._inner.run(inputs, check=False)[self.signature.output.name]
        ended = time.perf_counter()
        until = ended + self._share * (ended - began)
        while time.perf_counter() < until:
            pass
        return pictures


def measure(
    target: Path | Runner,
    *,
    trials: int = 10,
    batch: int = 8,
    seconds: float = 0.5,
    most_runs: int = MOST_RUNS,
) -> Regressions:
    """Measure `trials` trials with a planted slowdown and as many without, alternately.

    A trial takes more runs in turns until its verdict is decided, 12 of each side at least.

    Args:
        target: a bundle or run, or an open runner in this process.
        batch: images in a request.
        seconds: length of a run, warm-up included.
        most_runs: of each side of a trial, after which it stays as it is.
    """
    measured_at, environment = utc_now(), describe_environment()
    with ExitStack() as stack:
        runner = target if isinstance(target, Runner) else stack.enter_context(open_runner(target))
        done = [
            _trial(runner, slowdown, batch=batch, seconds=seconds, most_runs=most_runs)
            for _ in range(trials)
            for slowdown in (0.0, SLOWDOWN)
        ]
        return Regressions(
            target=target.description if isinstance(target, Runner) else target.name,
            batch=batch,
            tolerance=TOLERANCE,
            trials=tuple(done),
            measured_at=measured_at,
            machine=describe_machine(),
            environment=environment,
        )


def _trial(runner: Runner, slowdown: float, *, batch: int, seconds: float, most_runs: int) -> Trial:
    # Both sides are wrapped: the wrapper's own cost must not tell them apart.
    sides = {"a": SlowRunner(runner, 0.0), "b": SlowRunner(runner, slowdown)}
    with tempfile.TemporaryDirectory(prefix="litho-regressions-") as scratch:
        folder = Path(scratch)
        for change in _changes(folder, sides, batch=batch, seconds=seconds):
            runs = len(change.first_at)
            if change.verdict != "not decided" or runs >= most_runs:
                return Trial(slowdown=slowdown, runs=runs, effect=change.overall, verdict=change.verdict)
    raise AssertionError("measuring in turns has no end")


def _changes(folder: Path, sides: Mapping[str, Runner], *, batch: int, seconds: float) -> Iterator[Change]:
    """The change from A to B after `LEAST_RUNS` runs of each side, and after every `MORE_RUNS` further ones."""

    def run(side: str) -> Callable[[], None]:
        def write() -> None:
            number = len(list((folder / side).glob("*"))) if (folder / side).exists() else 0
            result = bench(sides[side], batch=[batch], rounds=1, seconds=seconds)
            # Finer than a second, which is what a result has: runs are paired in the order of their time.
            result = result.model_copy(update={"measured_at": datetime.now(UTC).isoformat()})
            write_bytes(folder / side / f"{number:03}" / JSON_NAME, result.model_dump_json() + "\n")

        return write

    for turn, _ in enumerate(in_turns({side: run(side) for side in sides}, alternate=True), 1):
        if turn >= LEAST_RUNS and (turn - LEAST_RUNS) % MORE_RUNS == 0:
            yield change_of(read_runs(folder / "a"), read_runs(folder / "b"))


def main(
    target: Annotated[Path, typer.Argument(help="Bundle or run.", show_default=False)],
    rounds: Annotated[int, typer.Option(min=1, help="Trials of each kind.")] = 10,
    batch: Annotated[int, typer.Option(min=1, help="Images in a request.")] = 8,
    seconds: Annotated[float, typer.Option(help="Length of a run.")] = 0.5,
    most_runs: Annotated[int, typer.Option(min=LEAST_RUNS, help="Runs of each side of a trial.")] = MOST_RUNS,
    output: Output = RESULT,
) -> None:
    """Count false and missed alarms; exit code 1 if there is one."""
    with errors_of("regressions", output):
        result = measure(target, trials=rounds, batch=batch, seconds=seconds, most_runs=most_runs)
    finish(output, result, table(result), failed=not result.passed)
