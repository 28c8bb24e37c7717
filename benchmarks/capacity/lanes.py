"""A sampler's engine in flight: lanes that admit rows between steps and answer each row after its last one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from .batcher import Request
from .costs import Costs
from .shape import Served

__all__ = ["Lanes"]

Row = list[Any]
"""Steps to go, and the request."""


class Lanes:
    """Admits waiting rows first come, first served; no lane takes more than its share of all rows.

    Args:
        environment: of simpy; its time is in milliseconds.
        served: lanes and live rows.
        costs: of a step.
        compute: makes the event at which some milliseconds of compute are done; gets the overhead, the work, and the
            number of the lane.
        answered: is called with each request whose last row is finished.

    Attributes:
        steps: that all lanes have taken.
        moved: rows that all steps have moved.
    """

    def __init__(
        self,
        environment: Any,
        served: Served,
        costs: Costs,
        compute: Callable[[float, float, int], Any],
        answered: Callable[[Request], None],
    ) -> None:
        self._environment, self._served, self._costs = environment, served, costs
        self._compute, self._answered = compute, answered
        self._waiting: deque[Row] = deque()
        self._live: list[list[Row]] = [[] for _ in range(served.instances)]
        self._wakes: list[Any] = []
        self.steps = self.moved = 0
        for number in range(served.instances):
            environment.process(self._lane(number))

    def put(self, request: Request) -> None:
        """A request has arrived."""
        request.queued = self._environment.now
        self._waiting.extend([request.steps, request] for _ in range(request.rows))
        for _ in range(min(request.rows, len(self._wakes))):
            self._wakes.pop(0).succeed()

    def _lane(self, number: int) -> Generator[Any, Any, None]:
        live, costs, overhead = self._live[number], self._costs, self._costs.overhead
        while True:
            admitted = self._admit(live)
            if not live:
                wake = self._environment.event()
                self._wakes.append(wake)
                yield wake
                continue
            if admitted:
                yield self._compute(0.0, costs.begin(admitted), number)
            self.steps, self.moved = self.steps + 1, self.moved + len(live)
            yield self._compute(overhead.batch_ms, costs.step(len(live)), number)
            for row in live:
                row[0] -= 1
            finished = [row for row in live if row[0] <= 0]
            if finished:
                live[:] = [row for row in live if row[0] > 0]
                yield self._compute(0.0, costs.decode(len(finished)), number)
                self._answer(finished)

    def _admit(self, live: list[Row]) -> int:
        total = sum(map(len, self._live)) + len(self._waiting)
        share = -(-total // self._served.instances)
        count = max(0, min(self._served.largest, share) - len(live))
        admitted = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        live += admitted
        return len(admitted)

    def _answer(self, finished: list[Row]) -> None:
        for _, request in finished:
            request.left -= 1
            if not request.left:
                self._answered(request)
