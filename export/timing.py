"""How fast runners are on this machine, measured in turns: a machine that slows down slows down for all of them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import TypeVar

from ..bundle.manifest import Timing
from ..errors import LithoError
from ..parity.replay import Open, largest_batch
from ..runners.base import Runner
from ..signature import Signature

__all__ = [
    "BATCHES",
    "TimingFailed",
    "batches_of",
    "in_turns",
    "processor_name",
    "ratio_in_turns",
    "time_in_turns",
    "timing_record",
    "without_timing_record",
]

BATCHES = (1, 8, 32)
"""Pictures at a time: one, a server's usual batch, and a large one; `batches_of` leaves out what is too large."""

ROUNDS = 7
_SECONDS_A_TURN = 0.05
_LEAST_CALLS = 2
_ENOUGH_SECONDS = 1.5
"""A runner has no further turns at a batch once it was timed for this long: samplers of many steps are slow."""

_LEAST_TURNS, _MOST_TURNS, _CALLS = 3, 60, 10

Measured = TypeVar("Measured")


def batches_of(signature: Signature) -> tuple[int, ...]:
    """Those of `BATCHES` that a variant is proven with."""
    return tuple(batch for batch in BATCHES if batch <= largest_batch(signature))


def in_turns(
    measures: Mapping[str, Callable[[], Measured]], *, alternate: bool = False, random: Random | None = None
) -> Iterator[dict[str, Measured]]:
    """Measure everything once in each round, without end.

    Args:
        measures: name -> measures it once.
        alternate: reverse the order in every second round (A B, B A, ...), so that a steady drift of the machine's
            speed favours none.
        random: shuffles the order of every round.

    Yields:
        Name -> what was measured in this round.
    """
    for number in count():
        order = list(measures)[:: -1 if alternate and number % 2 else 1]
        if random is not None:
            random.shuffle(order)
        yield {name: measures[name]() for name in order}


class TimingFailed(LithoError):
    """A runner failed while it was timed.

    Args:
        name: of the runner.
        reason: the runner's error.
    """

    def __init__(self, name: str, reason: LithoError) -> None:
        super().__init__(f"{name} could not be timed: {reason}")
        self.name, self.reason = name, reason


def time_in_turns(
    opened: Mapping[str, Open],
    progress: Callable[[float], None] = lambda share: None,
    random: Random | None = None,
) -> dict[str, tuple[Timing, ...]]:
    """Time every runner at every batch; a call before the first round is not counted.

    Args:
        opened: name -> opens the runner; all are open at once.
        progress: called with the share that is done, 0 to 1.
        random: shuffles the order of every round.

    Returns:
        Name -> a timing for each of `batches_of` its signature.

    Raises:
        TimingFailed: a runner failed.
    """
    if not opened:
        return {}
    timings: dict[str, list[Timing]] = {name: [] for name in opened}
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for name, make in opened.items():
            with _naming(name):
                runners[name] = stack.enter_context(make())
        batches = batches_of(next(iter(runners.values())).signature)
        for number, batch in enumerate(batches):
            spent: dict[str, list[float]] = {name: [] for name in runners}
            for name, runner in runners.items():
                with _naming(name):
                    runner.run(runner.signature.example(batch))
            turns = {
                name: partial(_turn, name, runner, batch, spent[name]) for name, runner in runners.items()
            }
            for round_number, _ in enumerate(islice(in_turns(turns, random=random), ROUNDS), 1):
                progress((number + round_number / ROUNDS) / len(batches))
            for name, seconds in spent.items():
                median = statistics.median(seconds)
                timing = Timing(batch=batch, p50_ms=median * 1e3, images_per_second=batch / median)
                timings[name].append(timing)
    return {name: tuple(measured) for name, measured in timings.items()}


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say which runner failed."""
    try:
        yield
    except LithoError as error:
        raise TimingFailed(name, error) from error


def ratio_in_turns(first: Open, second: Open, batch: int, limit_s: float) -> tuple[float, float, float]:
    """Time of the first over time of the second: the median of many turns, and its quartiles.

    In a turn each is called ten times, one after the other, or fewer times if calls are long. The fastest call of
    each counts, which leaves out calls that another process disturbed.

    Args:
        first, second: open the runners.
        batch: pictures at a time.
        limit_s: seconds after which no further turn begins; there are at least three.
    """
    ratios: list[float] = []
    with first() as one, second() as other:
        inputs = one.signature.example(batch)
        pairs = in_turns({"first": partial(one.seconds, inputs), "second": partial(other.seconds, inputs)})
        pair_s = sum(sum(pair.values()) for pair in islice(pairs, 2)) / 2
        calls = min(_CALLS, max(1, int(limit_s / (_LEAST_TURNS * pair_s))))
        start = time.perf_counter()
        while len(ratios) < _LEAST_TURNS or (
            len(ratios) < _MOST_TURNS and time.perf_counter() - start < limit_s
        ):
            turn = list(islice(pairs, calls))
            ratios.append(min(pair["first"] for pair in turn) / min(pair["second"] for pair in turn))
    lower, _, upper = statistics.quantiles(ratios)
    return statistics.median(ratios), lower, upper


def _turn(name: str, runner: Runner, batch: int, spent: list[float]) -> None:
    """Add the seconds of each call of one turn to `spent`, unless that has enough."""
    if sum(spent) >= _ENOUGH_SECONDS:
        return
    inputs = runner.signature.example(batch)
    turn: list[float] = []
    while len(turn) < _LEAST_CALLS or sum(turn) < _SECONDS_A_TURN:
        with _naming(name):
            turn.append(runner.seconds(inputs))
    spent += turn


def timing_record() -> dict[str, str]:
    """Date (UTC) and processor of timings made now, for the environment in the manifest of a timed bundle."""
    cores = len(os.sched_getaffinity(0))
    return {
        "timed_at": datetime.now(UTC).date().isoformat(),
        "timed_on": f"{processor_name()}, {cores} cores",
    }


def without_timing_record(environment: Mapping[str, str]) -> dict[str, str]:
    """The entries of an environment that determine what a bundle holds, timings aside."""
    return {name: value for name, value in environment.items() if name not in ("timed_at", "timed_on")}


def processor_name() -> str:
    """Model of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        # x86 kernels write "model name"; Arm kernels write "Model", if anything.
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return platform.processor() or platform.machine()
