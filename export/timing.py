"""How fast variants are on this machine: measured in turns, so that a busy machine is busy for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack

from ..bundle import Timing
from ..runners.base import Runner

__all__ = ["BATCHES", "time_in_turns"]

BATCHES = (1, 8, 32)
"""Pictures at a time: one, a server's usual batch, and a large one."""

ROUNDS = 7
_SECONDS_A_TURN = 0.05
_LEAST_CALLS = 2


def time_in_turns(
    opened: Mapping[str, Callable[[], AbstractContextManager[Runner]]],
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, tuple[Timing, ...]]:
    """Time every runner at every batch; a call before the first is not counted.

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
            for round_number in range(ROUNDS):
                progress((number + round_number / ROUNDS) / len(BATCHES))
                for name, runner in runners.items():
                    spent[name] += _turn(runner, batch)
            for name, seconds in spent.items():
                median = statistics.median(seconds)
                timing = Timing(batch=batch, p50_ms=median * 1e3, images_per_second=batch / median)
                timings[name].append(timing)
    return {name: tuple(measured) for name, measured in timings.items()}


def _turn(runner: Runner, batch: int) -> list[float]:
    """Seconds of each call of one turn."""
    inputs = runner.signature.example(batch)
    runner.run(inputs)
    spent: list[float] = []
    while len(spent) < _LEAST_CALLS or sum(spent) < _SECONDS_A_TURN:
        start = time.perf_counter()
        runner.run(inputs)
        spent.append(time.perf_counter() - start)
    return spent
