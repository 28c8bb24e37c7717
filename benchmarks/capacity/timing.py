"""Times the runner of a bundle in this process: batches, or the stages of a sampler."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...bundle import Bundle
from ...runners import Runner, open_runner
from ...runners.rectified_flow import Runner as Sampler
from .costs import Costs
from .shape import Served

__all__ = ["measure_runner"]

_LEAST_TURNS = 5
_CALLS_MS = 5.0
"""Short batches are timed several at once, for about so long."""

_SWITCHED = (1, 8, 32)
"""Rows of the batches by which two runners take turns on one core."""

_WARM_CALLS = 3
_SIZES_AT_LEAST = 2


def measure_runner(bundle: Bundle, variant: str | None, served: Served, device: str, seconds: float) -> Costs:
    """Costs of batches of 1, 2, 4, ... rows in this process, without any overhead.

    Args:
        bundle: whose variant is timed.
        variant: as `runners.choose_variants` takes it.
        served: instances, threads and largest batch.
        device: "cpu" or "cuda".
        seconds: of the measurement, about.

    Raises:
        LithoError: the variant cannot be opened here.
    """
    threads = served.threads if device == "cpu" else None
    with ExitStack() as stack:
        runners = [
            stack.enter_context(open_runner(bundle, variant, device=device, threads=threads))
            for _ in range(served.instances if device == "cpu" else 1)
        ]
        largest = min(served.largest, runners[0].max_batch_size)
        timed = _Timed(device, served.threads)
        works = _works(runners[0])
        taken = {name: timed.taken(make, largest, seconds / 4) for name, make in works.items()}
        tables = {
            name: {rows: statistics.median(times) for rows, times in each.items()}
            for name, each in taken.items()
        }
        name = "step_ms" if "step_ms" in tables else "batch_ms"
        makes, contention, switched = [_works(runner)[name] for runner in runners], 1.0, None
        if len(makes) > 1 and len(os.sched_getaffinity(0)) > 1:
            contention = timed.contention(makes, min(8, largest), seconds / 4)
        elif len(makes) > 1 and name == "batch_ms":
            sizes = sorted({min(rows, largest) for rows in _SWITCHED})
            switched = timed.switched(makes[0], makes[1], sizes, seconds / 4)
    fields: dict[str, Any] = {**tables, "contention": contention, "switch_rows_ms": switched}
    if name == "batch_ms":
        fields["jitter"] = _jitter(taken[name])
    return Costs(device="cpu" if device == "cpu" else "cuda", threads=served.threads, **fields)


def _works(runner: Runner) -> dict[str, Callable[[int], Callable[[], object]]]:
    """Field of `Costs` -> makes what is timed of so many rows."""
    if not isinstance(runner, Sampler):

        def batch(rows: int) -> Callable[[], object]:
            inputs = runner.signature.example(rows)
            return lambda: runner.run(inputs)

        return {"batch_ms": batch}

    def begin(rows: int) -> Callable[[], object]:
        inputs = runner.signature.check(runner.signature.example(rows))
        return lambda: runner.begin(inputs)

    def step(rows: int) -> Callable[[], object]:
        state = runner.begin(runner.signature.check(runner.signature.example(rows)))
        return lambda: runner.advance(state)

    def decode(rows: int) -> Callable[[], object]:
        state = runner.begin(runner.signature.check(runner.signature.example(rows)))
        return lambda: runner.decode(state.sample)

    return {"batch_ms": begin, "step_ms": step, "decode_ms": decode}


def _jitter(taken: Mapping[int, Sequence[float]]) -> float:
    """Standard deviation of the logarithm of a batch's time: of the sizes that were timed one by one, the median.

    The slowest and the fastest twentieth count as the next ones do: a machine that stalls is not a cost.
    """
    found = [
        float(np.log(np.clip(times, *np.quantile(times, (0.05, 0.95)))).std())
        for times in taken.values()
        if statistics.median(times) >= _CALLS_MS
    ]
    return statistics.median(found) if found else 0.0


@dataclass(frozen=True)
class _Timed:
    """Times work; on a processor by processor time, which does not count other programs.

    Args:
        device: where the runner computes.
        threads: of the runner.
    """

    device: str
    threads: int

    def _now(self) -> float:
        return time.perf_counter() if self.device != "cpu" else time.process_time() / self.threads

    def milliseconds(self, work: Callable[[], object], calls: int = 1) -> float:
        """Milliseconds of one call, the mean of `calls`."""
        begun = self._now()
        for _ in range(calls):
            work()
        return (self._now() - begun) * 1e3 / calls

    def taken(
        self, make: Callable[[int], Callable[[], object]], largest: int, seconds: float
    ) -> dict[int, list[float]]:
        """Rows -> milliseconds, taken in turns; what the time does not allow is left out."""
        end, works = time.perf_counter() + seconds, dict[int, Callable[[], object]]()
        found: dict[int, list[float]] = {}
        sizes = sorted(
            {1 << power for power in range(largest.bit_length()) if 1 << power <= largest} | {largest}
        )
        for rows in sizes:
            last = found[max(found)][0] / 1e3 if found else 0.0
            if len(found) >= _SIZES_AT_LEAST and time.perf_counter() + 2 * _LEAST_TURNS * last > end:
                break
            works[rows] = make(rows)
            works[rows]()  # the first run of a shape allocates
            found[rows] = [self.milliseconds(works[rows])]
        calls = {rows: max(1, round(_CALLS_MS / max(1e-3, times[0]))) for rows, times in found.items()}
        turns = 1
        while turns < _LEAST_TURNS or time.perf_counter() < end:
            for rows, work in works.items():
                # The last size has left its data in the caches.
                for _ in range(min(_WARM_CALLS, calls[rows])):
                    work()
                found[rows].append(self.milliseconds(work, calls[rows]))
            turns += 1
        return found

    def switched(
        self,
        first: Callable[[int], Callable[[], object]],
        second: Callable[[int], Callable[[], object]],
        sizes: Sequence[int],
        seconds: float,
    ) -> dict[int, float]:
        """Rows -> milliseconds that a batch takes longer after another runner's than after its own, less those of one.

        Caches hold what a small batch needs, and lose it to the other runner. A large one finds nothing there anyway.
        """
        end = time.perf_counter() + seconds
        works = {rows: (first(rows), second(rows)) for rows in sizes}
        found: dict[int, list[float]] = {rows: [] for rows in sizes}
        turns = 0
        while turns < _LEAST_TURNS or time.perf_counter() < end:
            for rows, (one, other) in works.items():
                other()
                after_other = self.milliseconds(one)
                found[rows].append(after_other - self.milliseconds(one))
            turns += 1
        table = {rows: statistics.median(taken) for rows, taken in found.items()}
        return {rows: max(0.0, taken - table[sizes[0]]) for rows, taken in table.items()}

    def contention(
        self, makes: list[Callable[[int], Callable[[], object]]], rows: int, seconds: float
    ) -> float:
        """Processor time of a batch while all instances compute, over its time alone."""
        works = [make(rows) for make in makes]
        for work in works:
            work()
        count = max(2, int(seconds / 8 / max(1e-4, self.milliseconds(works[0]) / 1e3)))

        def repeat(work: Callable[[], object]) -> None:
            for _ in range(count):
                work()

        ratios = list[float]()
        with ThreadPoolExecutor(len(works)) as pool:
            for _ in range(4):
                alone = self.milliseconds(lambda: repeat(works[0]))
                together = self.milliseconds(lambda: list(pool.map(repeat, works))) / len(works)
                ratios.append(together / alone)
        return max(1.0, statistics.median(ratios))
