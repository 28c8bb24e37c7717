"""What a step of a sampler costs by the number of its rows: measured, fitted, and read for its knee."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from ...runners.rectified_flow import Rows, Runner

__all__ = ["TOLERANCE", "StepCosts"]

TOLERANCE = 0.05
"""How much more than the cheapest a row may cost at the knee: less than repeated measurements differ by."""

_TURNS = 8


@dataclass(frozen=True)
class StepCosts:
    """Milliseconds that one step of all rows takes.

        >>> costs = StepCosts({1: 2.7, 8: 12.7, 16: 23.2, 32: 49.8})
        >>> costs.knee(), costs.at(12)
        (16, 17.95)

    Args:
        milliseconds: rows -> milliseconds of a step, for at least one number of rows; all above 0.
    """

    milliseconds: Mapping[int, float]

    @classmethod
    def measure(
        cls, runner: Runner, largest: int, *, threads: int | None = None, seconds: float = 2.0
    ) -> Self:
        """Measure steps of 1, 2, 4, ... rows on this machine; the fastest of a few turns.

        Args:
            runner: moves the rows.
            largest: most rows to measure.
            threads: of the runner on a CPU; None for any other. One thread is timed by the processor time
                that it used, which does not count other programs on a busy machine.
            seconds: budget; the larger numbers of rows are left out when it is used up.
        """
        clock = time.process_time if threads == 1 else time.perf_counter
        found: dict[int, float] = {}
        end = time.perf_counter() + seconds
        for turn in range(_TURNS):
            for size in _sizes(largest):
                # In the first turn nothing is known but that the next size takes about twice as long.
                expected = found.get(size, 2 * max(found.values(), default=0.0)) / 1e3
                if found and time.perf_counter() + (1 if turn else 3) * expected > end:
                    break
                rows = _noise(runner, size)
                if not turn:
                    runner.advance(rows)  # the first run of a shape allocates
                begun = clock()
                runner.advance(rows)
                taken = (clock() - begun) * 1e3
                found[size] = min(taken, found.get(size, taken))
        return cls(_undisturbed(found))

    @classmethod
    def model(cls, fixed_ms: float, row_ms: float, free_rows: int = 0, largest: int = 64) -> Self:
        """Costs by a model: a step costs `fixed_ms`, and `row_ms` more for each row beyond `free_rows`.

        A processor computes one row after the other (`free_rows` is 0). A GPU has room for many: up to it, its cost
        is flat.
        """
        return cls(
            {size: fixed_ms + row_ms * max(0, size - free_rows) for size in _sizes(largest, {free_rows})}
        )

    def at(self, rows: int) -> float:
        """Milliseconds of a step with `rows` rows: between measured numbers a line, beyond the largest the last cost
        of a row."""
        sizes = sorted(self.milliseconds)
        if rows > sizes[-1]:
            return self.milliseconds[sizes[-1]] / sizes[-1] * rows
        return float(np.interp(rows, sizes, [self.milliseconds[size] for size in sizes]))

    def knee(self) -> int:
        """The largest measured number of rows at which a row costs at most `TOLERANCE` more than the cheapest.

        With more rows each one waits longer for its steps, and the machine makes no more of them.
        """
        per_row = {size: cost / size for size, cost in self.milliseconds.items()}
        limit = min(per_row.values()) * (1 + TOLERANCE)
        return max(size for size, cost in per_row.items() if cost <= limit)

    def fit(self) -> tuple[float, float]:
        """Fixed cost and cost of a row in milliseconds, the least relative squares; neither is below 0."""
        sizes = np.array(sorted(self.milliseconds), float)
        costs = np.array([self.milliseconds[int(size)] for size in sizes])
        if len(sizes) == 1:
            return 0.0, float(costs[0] / sizes[0])
        weights = 1 / costs
        system = np.stack([weights, sizes * weights], axis=1)
        fixed, row = np.linalg.lstsq(system, np.ones(len(sizes)), rcond=None)[0]
        if fixed < 0:
            return 0.0, float((sizes / costs).sum() / ((sizes / costs) ** 2).sum())
        if row < 0:
            return float(weights.sum() / (weights**2).sum()), 0.0
        return float(fixed), float(row)

    def __str__(self) -> str:
        return ", ".join(f"{size}: {self.milliseconds[size]:.2f} ms" for size in sorted(self.milliseconds))


def _undisturbed(found: Mapping[int, float]) -> dict[int, float]:
    """Fewer rows take no longer than more: where they seem to, something else ran meanwhile."""
    costs: dict[int, float] = {}
    for size in sorted(found, reverse=True):
        costs[size] = min(found[size], *costs.values()) if costs else found[size]
    return dict(sorted(costs.items()))


def _sizes(largest: int, extra: set[int] | None = None) -> list[int]:
    doubled = {2**power for power in range(largest.bit_length()) if 2**power <= largest}
    return sorted(size for size in doubled | {largest} | (extra or set()) if 1 <= size <= largest)


def _noise(runner: Runner, count: int) -> Rows:
    """Rows as good as any others: what a step costs does not depend on the values."""
    rows = runner.empty_rows(count)
    generator = np.random.default_rng(0)
    rows.sample[...] = generator.standard_normal(rows.sample.shape)
    rows.embedding[...] = generator.standard_normal(rows.embedding.shape)
    rows.guidance[...] = 1
    return rows
