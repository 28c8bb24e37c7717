"""How fast variants are on this machine: measured in turns, so that a busy machine is busy for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from ..bundle.manifest import Timing
from ..runners.base import Runner

__all__ = ["BATCHES", "ratio_in_turns", "time_in_turns"]

BATCHES = (1, 8, 32)
"""Pictures at a time: one, a server's usual batch, and a large one."""

ROUNDS = 7
_SECONDS_A_TURN = 0.05
_LEAST_CALLS = 2
_ENOUGH_SECONDS = 1.5
"""A runner that has been timed for so long at a batch has had its rounds: many steps to a picture take their time."""

_LEAST_TURNS, _MOST_TURNS, _CALLS = 3, 60, 10


def time_in_turns(
    opened: Mapping[str, Callable[[], AbstractContextManager[Runner]]],
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, tuple[Timing, ...]]:
    """Time every runner at every batch; a call before the first round is not counted.

    Args:
        opened: name -> opens the runner; all are open at once.
        progress: told the share that is done, 0 to 1.

    Returns:
        Name -> a timing for each of `BATCHES`.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in opened}
    with ExitStack() as stack:
        runners = {name: stack.enter_context(make()) for name, make in opened.items()}
        for number, batch in enumerate(BATCHES):
            spent: dict[str, list[float]] = {name: [] for name in runners}
            for runner in runners.values():
                runner.run(runner.signature.example(batch))
            for round_number in range(ROUNDS):
                progress((number + round_number / ROUNDS) / len(BATCHES))
                for name, runner in runners.items():
                    if sum(spent[name]) < _ENOUGH_SECONDS:
                        spent[name] += _turn(runner, batch)
            for name, seconds in spent.items():
                median = statistics.median(seconds)
                timing = Timing(batch=batch, p50_ms=median * 1e3, images_per_second=batch / median)
                timings[name].append(timing)
    return {name: tuple(measured) for name, measured in timings.items()}


def ratio_in_turns(
    first: Callable[[], AbstractContextManager[Runner]],
    second: Callable[[], AbstractContextManager[Runner]],
    batch: int,
    limit_s: float,
) -> tuple[float, float, float]:
    """How many times as long the first takes as the second: the median of many turns, and their quartiles.

    A turn is the fastest of ten calls of each, of fewer where they are long, one by one: what another process took
    from one of them is not counted.

    Args:
        first, second: open the runners.
        batch: pictures at a time.
        limit_s: after so many seconds no further turn is begun; there are three at least.
    """
    ratios: list[float] = []
    with first() as one, second() as other:
        inputs = one.signature.example(batch)
        pair_s = sum(_call(runner, inputs) for runner in (one, other, one, other)) / 2
        calls = min(_CALLS, max(1, int(limit_s / (_LEAST_TURNS * pair_s))))
        start = time.perf_counter()
        while len(ratios) < _LEAST_TURNS or (
            len(ratios) < _MOST_TURNS and time.perf_counter() - start < limit_s
        ):
            pairs = [(_call(one, inputs), _call(other, inputs)) for _ in range(calls)]
            ratios.append(min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs))
    lower, _, upper = statistics.quantiles(ratios)
    return statistics.median(ratios), lower, upper


def _turn(runner: Runner, batch: int) -> list[float]:
    """Seconds of each call of one turn."""
    inputs = runner.signature.example(batch)
    spent: list[float] = []
    while len(spent) < _LEAST_CALLS or sum(spent) < _SECONDS_A_TURN:
        spent.append(_call(runner, inputs))
    return spent


def _call(runner: Runner, inputs: Mapping[str, Any]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    runner.run(inputs)
    return time.perf_counter() - start
