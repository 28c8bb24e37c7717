"""What a picture costs a machine: time of batches and steps, and what server and client need beside them."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field as Constraint, model_validator

from ...bundle.json_documents import Document

__all__ = ["NO_OVERHEAD", "Costs", "Overhead", "Table", "at"]

_GONE = ("patience", "eager", "eager_alone", "asleep_ms", "after_ms", "end_ms")
"""Fields of older documents that are simulated now: how long a thread waits, and which one is first."""


def _known(given: Any) -> Any:
    if isinstance(given, Mapping):
        return {name: value for name, value in given.items() if name not in _GONE}
    return given


_Time = Annotated[float, Constraint(ge=0, allow_inf_nan=False)]

Table = Annotated[dict[Annotated[int, Constraint(ge=1)], _Time], Constraint(min_length=1)]
"""Rows -> milliseconds that they take together."""


def at(table: Mapping[int, float], rows: int) -> float:
    """Milliseconds of `rows` rows: between measured numbers a line, beyond the largest its cost of a row.

    >>> at({1: 2.0, 4: 5.0}, 2), at({1: 2.0, 4: 5.0}, 8)
    (3.0, 10.0)
    """
    if rows in table:
        return table[rows]
    sizes = sorted(table)
    if rows > sizes[-1]:
        return table[sizes[-1]] / sizes[-1] * rows
    if rows < sizes[0]:
        return table[sizes[0]]
    upper = bisect.bisect(sizes, rows)
    low, high = sizes[upper - 1], sizes[upper]
    return table[low] + (table[high] - table[low]) * (rows - low) / (high - low)


class Overhead(Document):
    """Processor time beside the runner, and what no processor explains, in milliseconds.

    Args:
        batch_ms: of the instance for each batch; in flight, of the lane for each step.
        pass_ms: of the server for each batch: its threads wake up for the requests and for the answers, and the one of
            the instance takes the batch and gives it back.
        share_ms: of the instance for each request of a batch: what it reads and answers.
        request_ms: of the server for each request.
        wake_ms: of the load generator each time that it wakes, whatever it finds.
        client_ms: of the load generator for each request that it finds.
        idle_ms: wait of a lone request that no processor time explains, such as idle cores that wake up.
    """

    batch_ms: _Time = 0.0
    pass_ms: _Time = 0.0
    share_ms: _Time = 0.0
    request_ms: _Time = 0.0
    wake_ms: _Time = 0.0
    client_ms: _Time = 0.0
    idle_ms: _Time = 0.0

    @model_validator(mode="before")
    @classmethod
    def _of_today(cls, given: Any) -> Any:
        return _known(given)


NO_OVERHEAD = Overhead()
"""A server that costs nothing: what queueing theory has formulas for."""


class Costs(Document):
    """What pictures of one variant cost on one machine.

    Args:
        device: "cpu" or "cuda", where the runner computes.
        threads: of an instance, for which the times hold.
        batch_ms: rows -> milliseconds of a batch of a generator of one graph; of a sampler, of its text encoder.
        step_ms: rows -> milliseconds of one step of a sampler; None for a generator of one graph.
        decode_ms: rows -> milliseconds of a sampler's decoder; None likewise.
        contention: time of a batch while all instances compute, over its time alone; 1 or more. On cores of their own
            they share memory, on one core its caches.
        switch_ms: of one row that computes on a core which another instance has used since: its caches are cold.
        switch_rows_ms: rows -> milliseconds that it takes longer than for one; None for as long.
        change_ms: of a batch that has another size than the last one of its instance.
        slice_ms: longest time of a thread on a core while others wait: from one tick of the clock to the next.
        cold_ms: milliseconds that a core had nothing to do since an instance finished its last batch -> milliseconds
            that its next one takes longer; None if that was not measured.
        jitter: standard deviation of the logarithm of a batch's time beyond its first row.
        spread: times of equal lone requests over their mean, ascending, equally likely: how much the time of a batch's
            overhead and first row varies.
        factor: by which the runner's own times were multiplied so that they explain the server's.
        overhead: beside the runner.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    threads: Annotated[int, Constraint(ge=1)] = 1
    batch_ms: Table
    step_ms: Table | None = None
    decode_ms: Table | None = None
    contention: Annotated[float, Constraint(ge=1, allow_inf_nan=False)] = 1.0
    switch_ms: _Time = 0.0
    switch_rows_ms: Table | None = None
    change_ms: _Time = 0.0
    slice_ms: Annotated[float, Constraint(gt=0, allow_inf_nan=False)] = 4.0
    cold_ms: Annotated[dict[Annotated[float, Constraint(gt=0)], _Time], Constraint(min_length=1)] | None = (
        None
    )
    jitter: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 0.0
    spread: Annotated[tuple[_Time, ...], Constraint(min_length=1)] = (1.0,)
    factor: Annotated[float, Constraint(gt=0, allow_inf_nan=False)] = 1.0
    overhead: Overhead = NO_OVERHEAD

    @model_validator(mode="before")
    @classmethod
    def _of_today(cls, given: Any) -> Any:
        return _known(given)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.step_ms is None) != (self.decode_ms is None):
            raise ValueError("step_ms and decode_ms are those of a sampler, which has both")
        return self

    @cached_property
    def _known(self) -> dict[tuple[str, int], float]:
        return {}

    def _at(self, name: Literal["batch_ms", "step_ms", "decode_ms"], rows: int) -> float:
        if (name, rows) not in self._known:
            self._known[name, rows] = at(getattr(self, name) or {}, rows)
        return self._known[name, rows]

    def scaled(self, factor: float) -> Self:
        """The same with all times of the runner multiplied."""
        fields = ("batch_ms", "step_ms", "decode_ms", "switch_rows_ms")
        names = [name for name in fields if getattr(self, name)]
        tables = {name: {rows: ms * factor for rows, ms in getattr(self, name).items()} for name in names}
        return type(self)(**{**self.model_dump(), **tables, "factor": self.factor * factor})

    def of_one_row(self, factor: float) -> Self:
        """The same with the times of a single row multiplied."""
        names = [name for name in ("batch_ms", "step_ms", "decode_ms") if getattr(self, name)]
        tables = {name: {**getattr(self, name), 1: getattr(self, name)[1] * factor} for name in names}
        return type(self)(**{**self.model_dump(), **tables})

    def of_runner(self, runner: Self) -> Self:
        """The same server with the times of another runner, such as one with another number of threads."""
        tables = ("batch_ms", "step_ms", "decode_ms", "switch_rows_ms")
        names = ("threads", "contention", "factor", "jitter", *tables)
        scaled = runner.scaled(self.factor)
        return type(self)(**{**self.model_dump(), **{name: getattr(scaled, name) for name in names}})

    def switch(self, rows: int) -> float:
        """Milliseconds that `rows` rows take longer on a core which another instance has used since."""
        further = 0.0 if self.switch_rows_ms is None else at(self.switch_rows_ms, rows)
        return self.switch_ms + further

    def begin(self, rows: int) -> float:
        """Milliseconds before the first step of `rows` rows of a sampler; of one graph, all that they take."""
        return self._at("batch_ms", rows)

    def cold(self, gap_ms: float) -> float:
        """Milliseconds that a batch takes longer so long after the last one."""
        if not self.cold_ms:
            return 0.0
        gaps = sorted(self.cold_ms)
        return float(np.interp(gap_ms, [0.0, *gaps], [0.0, *(self.cold_ms[gap] for gap in gaps)]))

    def step(self, rows: int) -> float:
        """Milliseconds of one step of `rows` rows of a sampler."""
        return self._at("step_ms", rows)

    def decode(self, rows: int) -> float:
        """Milliseconds to decode `rows` rows of a sampler."""
        return self._at("decode_ms", rows)

    def whole(self, steps: Sequence[int]) -> float:
        """Milliseconds of a batch of whole requests; a row leaves after its last step.

        Args:
            steps: of each row; of a generator of one graph only their number counts.
        """
        rows = len(steps)
        if self.step_ms is None:
            return self.begin(rows)
        total, taken = self.begin(rows) + self.decode(rows), 0
        for position, count in enumerate(sorted(steps)):
            if count > taken:
                total += (count - taken) * self.step(rows - position)
                taken = count
        return total
