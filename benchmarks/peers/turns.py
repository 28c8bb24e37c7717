"""Times runners in rounds whose order is drawn anew each time, so that none has the same neighbour in all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from random import Random

from ...bundle.manifest import Timing
from ...errors import LithoError
from ...export.timing import BATCHES, TimingFailed, in_turns
from ...parity.replay import Open
from ...runners.base import Runner
from .documents import Rounds

__all__ = ["Times", "time_in_rounds"]

_LEAST_CALLS = 2
_SECONDS_A_TURN = 0.1


@dataclass(frozen=True)
class Times:
    """What the rounds gave for one runner.

    Args:
        timings: medians over all calls, for each batch.
        rounds: medians of each round, for each batch.
    """

    timings: tuple[Timing, ...]
    rounds: tuple[Rounds, ...]


def time_in_rounds(
    opened: Mapping[str, Open],
    random: Random,
    rounds: int,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Times]:
    """Time every runner at every batch of `BATCHES`; two calls before the first round are not counted.

    Args:
        opened: name -> opens the runner; all are open at once.
        random: draws the order of every round.
        rounds: turns of each runner at each batch, at least 1.
        progress: called with the share that is done, 0 to 1.

    Raises:
        TimingFailed: a runner failed.
    """
    found: dict[str, list[list[list[float]]]] = {name: [] for name in opened}
    with ExitStack() as stack:
        runners = {name: _opened(stack, name, make) for name, make in opened.items()}
        for number, batch in enumerate(BATCHES):
            turns = {name: partial(_turn, name, runner, batch) for name, runner in runners.items()}
            for name in runners:
                turns[name]()
                found[name].append([])
            for done, taken in enumerate(islice(in_turns(turns, random=random), rounds), 1):
                for name, seconds in taken.items():
                    found[name][-1].append(seconds)
                progress((number + done / rounds) / len(BATCHES))
    return {name: _times(batches) for name, batches in found.items()}


def _opened(stack: ExitStack, name: str, make: Open) -> Runner:
    try:
        return stack.enter_context(make())
    except LithoError as error:
        raise TimingFailed(name, error) from error


def _turn(name: str, runner: Runner, batch: int) -> list[float]:
    """Seconds of each call of one turn."""
    inputs = runner.signature.example(batch)
    spent: list[float] = []
    try:
        while len(spent) < _LEAST_CALLS or sum(spent) < _SECONDS_A_TURN:
            spent.append(runner.seconds(inputs))
    except LithoError as error:
        raise TimingFailed(name, error) from error
    return spent


def _times(batches: list[list[list[float]]]) -> Times:
    timings, rounds = [], []
    for batch, turns in zip(BATCHES, batches, strict=True):
        median = statistics.median([seconds for turn in turns for seconds in turn])
        timings.append(Timing(batch=batch, p50_ms=median * 1e3, images_per_second=batch / median))
        rounds.append(Rounds(batch=batch, ms=tuple(statistics.median(turn) * 1e3 for turn in turns)))
    return Times(tuple(timings), tuple(rounds))
