"""In-flight batching without a server: an engine that admits and answers pictures between the steps of a sampler.

A whole request waits until the batch before it has taken all its steps. Here every step moves the rows that are live
now: between two steps finished rows leave with their pictures and waiting rows follow.

Threads: the caller's checks and queues a request; each lane moves its rows with a runner of its own; one clerk gives
all answers, and looks for deadlines and for clients that are gone. Only the clerk calls a `Reply`.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import EndpointBusy, EndpointUnavailable, LithoError
from ...runners.rectified_flow import Batch, Rows, Runner
from .live_requests import Counters, EngineStatistics, Options, Reply, Request, Ticket, rows_of

__all__ = ["Engine"]

FIRST_LOOK_SECONDS, LOOK_SECONDS = 0.25, 0.5
"""Age of a request when the clerk first asks whether its client is gone, and the time between two such questions."""

_LOOKS = 8  # most such questions between two answers: each may cost a message to another process


@dataclass(eq=False)
class _Lane:
    runner: Runner
    batch: Batch
    idle: bool = False
    live: int = 0  # rows, as the other lanes may see them
    closures: int = 0  # of the engine, when the lane last looked for closed requests


@dataclass(frozen=True, slots=True)
class _Pictures:
    tickets: Sequence[Ticket]
    images: NDArray[np.uint8]
    steps: Sequence[int]
    finished: bool


@dataclass(frozen=True, slots=True)
class _Failure:
    requests: Iterable[Request]
    error: LithoError


class Engine:
    """Answers requests for pictures of a sampler, all live rows one step at a time.

        >>> with Engine([runner], live_rows=16) as engine:
        ...     engine.submit({"seed": [7], "prompt": ["a red circle"]}, reply)

    Rows are admitted first come, first served within a priority; no lane takes a row while its share of all rows is
    less than it has. A lane without work takes half the rows of another.

    Args:
        runners: one for each lane; the engine closes them. Lanes compute at the same time.
        live_rows: most rows of one lane.
        queue_size: most requests that wait for their first row to be admitted; None for no limit.
        stepped: is called by each lane after each of its steps, as a sign of life.
    """

    def __init__(
        self,
        runners: Sequence[Runner],
        live_rows: int,
        queue_size: int | None = 1024,
        stepped: Callable[[], None] = lambda: None,
    ) -> None:
        self.signature = runners[0].signature
        self.live_rows = live_rows
        self._queue_size = queue_size
        self._stepped = stepped
        self._lanes = [_Lane(runner, Batch(runner, live_rows)) for runner in runners]
        self._changed = threading.Condition()
        # Guarded by the condition's lock:
        self._queue: list[Request] = []
        self._open: dict[int, Request] = {}
        self._offered: list[tuple[Rows, list[Ticket]]] = []
        self._closing = False
        self._closures = 0
        self._counted = Counters()
        # Between threads without it:
        self._numbers = itertools.count()
        self._events: SimpleQueue[_Pictures | _Failure | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run_lane, args=(lane,), name=f"litho lane {number}", daemon=True)
            for number, lane in enumerate(self._lanes)
        ]
        self._clerk = threading.Thread(target=self._run_clerk, name="litho clerk", daemon=True)
        for thread in (*self._threads, self._clerk):
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def submit(self, inputs: Mapping[str, ArrayLike], reply: Reply, options: Options | None = None) -> None:
        """Queue a request; its pictures go to `reply` from another thread.

        Args:
            inputs: as `Signature.check` takes them; every row is a picture.
            reply: is called until its last picture or its failure, exactly one of which comes.
            options: priority, deadline and previews.

        Raises:
            InvalidInput: the signature does not allow an input.
            EndpointBusy: the queue is full.
            EndpointUnavailable: the engine is being closed.
        """
        checked = self.signature.check(inputs)
        now = time.monotonic()
        rows = len(next(iter(checked.values())))
        request = Request(
            checked, reply, options or Options(), next(self._numbers), rows, now, now + FIRST_LOOK_SECONDS
        )
        with self._changed:
            if self._closing:
                raise EndpointUnavailable("the server is shutting down; ask again, or ask another one")
            waiting = sum(not waits.admitted for waits in self._queue) if self._queue_size else 0
            if self._queue_size and waiting >= self._queue_size:
                self._counted.add("refused")
                raise EndpointBusy(
                    f"the queue is full: {waiting} requests wait, the maximum queue size; send fewer at a time"
                )
            self._counted.add("requests")
            self._open[request.number] = request
            heapq.heappush(self._queue, request)
            self._changed.notify(rows)

    def statistics(self) -> EngineStatistics:
        """Counters and present state."""
        with self._changed:
            live = sum(lane.live for lane in self._lanes) + sum(len(rows) for rows, _ in self._offered)
            return EngineStatistics(**self._counted.values, live=live, waiting=self._waiting_rows())

    def close(self, *, drain: bool = True) -> None:
        """Refuse new requests, end the open ones, and close the runners; closing twice is fine.

        Args:
            drain: finish the open requests first; otherwise they fail.
        """
        with self._changed:
            self._closing = True
            if not drain:
                error = EndpointUnavailable("the server is shutting down; ask again, or ask another one")
                self._events.put(_Failure(list(self._open.values()), error))
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._events.put(None)
        self._clerk.join()
        for lane in self._lanes:
            lane.runner.close()

    # Lanes

    def _run_lane(self, lane: _Lane) -> None:
        while (admitted := self._next(lane)) is not None:
            try:
                self._begin(lane, admitted)
                if len(lane.batch):
                    self._step(lane)
                    self._retire(lane)
            except Exception as error:  # whatever it is: the lane goes on with new rows
                _, tickets = lane.batch.take(np.arange(len(lane.batch)))
                self._fail([*tickets, *admitted], LithoError(f"the engine failed: {error!r}"))

    def _next(self, lane: _Lane) -> list[Ticket] | None:
        """Rows to admit before the next step of a lane; waits for work; None when there will be no more."""
        with self._changed:
            while True:
                self._drop_closed(lane)
                self._take_offer(lane)
                admitted = self._admitted(lane)
                self._share(lane, admitted)
                lane.live = len(lane.batch) + len(admitted)
                if lane.live:
                    return admitted
                # Another lane may still offer rows, but it can finish them itself.
                if self._closing and not self._queue and not self._offered:
                    return None
                lane.idle = True
                self._changed.wait()
                lane.idle = False

    def _drop_closed(self, lane: _Lane) -> None:
        if lane.closures != self._closures:
            lane.closures = self._closures
            closed = [position for position, (request, _) in enumerate(lane.batch.tickets) if request.closed]
            lane.batch.take(np.array(closed, np.int64))

    def _take_offer(self, lane: _Lane) -> None:
        if self._offered and not len(lane.batch):
            rows, tickets = self._offered.pop(0)
            lane.batch.put(rows, tickets)
            lane.closures = -1  # some of them may have been closed since
            self._drop_closed(lane)

    def _admitted(self, lane: _Lane) -> list[Ticket]:
        """Take from the queue what the lane has room for, and no more than its share of all rows."""
        if not self._queue:
            return []
        others = sum(other.live for other in self._lanes if other is not lane)
        mine = len(lane.batch)
        share = -(-(mine + others + self._waiting_rows()) // len(self._lanes))
        room = min(lane.batch.capacity, share) - mine
        admitted: list[Ticket] = []
        now = time.monotonic()
        while self._queue and room > len(admitted):
            request = self._queue[0]
            end = min(request.rows, request.admitted + room - len(admitted))
            admitted += [(request, row) for row in range(request.admitted, end)]
            self._counted.add("queue_seconds", (end - request.admitted) * (now - request.arrived))
            request.admitted = end
            if end == request.rows:
                heapq.heappop(self._queue)
        self._counted.add("admitted", len(admitted))
        return admitted

    def _share(self, lane: _Lane, admitted: list[Ticket]) -> None:
        """Offer half of the rows to a lane that has none, if no others wait."""
        idle = sum(other.idle for other in self._lanes)
        half = len(lane.batch) // 2
        if admitted or self._queue or not half or idle <= len(self._offered):
            return
        count = len(lane.batch)
        self._offered.append(lane.batch.take(np.arange(count - half, count)))
        self._changed.notify_all()

    def _waiting_rows(self) -> int:
        return sum(request.rows - request.admitted for request in self._queue)

    def _begin(self, lane: _Lane, admitted: list[Ticket]) -> None:
        if not admitted:
            return
        try:
            lane.batch.put(lane.runner.begin(rows_of(admitted)), admitted)
        except LithoError:  # of one request, which must not affect the others
            for request, group in itertools.groupby(admitted, key=lambda ticket: ticket[0]):
                tickets = list(group)
                try:
                    lane.batch.put(lane.runner.begin(rows_of(tickets)), tickets)
                except LithoError as error:
                    self._fail([(request, 0)], error)

    def _step(self, lane: _Lane) -> None:
        moved = len(lane.batch)
        try:
            lane.batch.step()
        except LithoError:
            errors = lane.batch.step_apart()
            tickets = lane.batch.tickets
            for position, error in errors.items():
                self._fail([tickets[position]], error)
            lane.batch.take(np.array(sorted(errors), np.int64))
        self._stepped()
        with self._changed:
            self._counted.add("steps")
            self._counted.add("moved", moved)

    def _retire(self, lane: _Lane) -> None:
        positions = lane.batch.finished()
        if len(positions):
            rows, tickets = lane.batch.take(positions)
            self._decode(lane, rows, tickets, finished=True)
        tickets = lane.batch.tickets
        if not any(request.options.preview_every for request, _ in tickets):
            return
        rows = lane.batch.rows
        every = np.array([request.options.preview_every or np.iinfo(np.int64).max for request, _ in tickets])
        due = np.flatnonzero(rows.taken % every == 0)
        # A preview that nobody could send in time is left out: the next one is better.
        if len(due) and self._events.qsize() < 2 * len(self._lanes):
            self._decode(lane, rows.chosen(due), [tickets[position] for position in due], finished=False)

    def _decode(self, lane: _Lane, rows: Rows, tickets: list[Ticket], *, finished: bool) -> None:
        try:
            images = lane.runner.decode(rows.sample)
        except LithoError as error:
            self._decode_apart(lane, rows, tickets, error, finished=finished)
            return
        self._events.put(_Pictures(tickets, images, rows.taken.tolist(), finished))

    def _decode_apart(
        self, lane: _Lane, rows: Rows, tickets: list[Ticket], error: LithoError, *, finished: bool
    ) -> None:
        if len(tickets) == 1:
            self._fail(tickets, error)
            return
        for position, ticket in enumerate(tickets):
            self._decode(lane, rows.chosen(slice(position, position + 1)), [ticket], finished=finished)

    def _fail(self, tickets: Iterable[Ticket], error: LithoError) -> None:
        self._events.put(_Failure([request for request, _ in tickets], error))

    # Clerk

    def _run_clerk(self) -> None:
        due = time.monotonic()
        while True:
            event = None
            try:
                event = self._events.get(timeout=max(0.0, due - time.monotonic()))
            except Empty:
                due = self._look_after()
                continue
            if event is None:
                return
            if isinstance(event, _Failure):
                for request in event.requests:
                    self._close_request(request, "failed", event.error)
            else:
                self._answer(event)
            if time.monotonic() >= due:
                due = self._look_after()

    def _answer(self, event: _Pictures) -> None:
        given, ended, seconds, now = 0, 0, 0.0, time.monotonic()
        for position, ((request, row), step) in enumerate(zip(event.tickets, event.steps, strict=True)):
            if request.closed or self._expired(request, now):
                continue
            request.answered += event.finished
            last = request.answered == request.rows
            if last:
                with self._changed:
                    self._open.pop(request.number)
                    request.closed = True
                ended += 1
                seconds += now - request.arrived
            given += 1
            # What a reply raises concerns its client alone.
            with suppress(Exception):
                request.reply.picture(row, step, event.images[position : position + 1], last=last)
        # At once: whoever reads the sums never sees a request that ended without its pictures.
        with self._changed:
            self._counted.add("pictures" if event.finished else "previews", given)
            self._counted.add("answered", ended)
            self._counted.add("answer_seconds", seconds)

    def _look_after(self) -> float:
        """Close requests that ran out of time or whose client is gone; when to look again."""
        now = time.monotonic()
        with self._changed:
            requests = list(self._open.values())
        looks = 0
        for request in requests:
            if not self._expired(request, now) and now >= request.look and looks < _LOOKS:
                looks += 1
                request.look = now + LOOK_SECONDS
                gone = True
                with suppress(Exception):
                    gone = request.reply.is_gone()
                if gone:
                    self._close_request(request, "gone", LithoError("the client is gone"))
        nearest = min((min(one.due, one.look) for one in requests if not one.closed), default=now + 1)
        # A request that comes meanwhile may have a deadline of its own.
        return min(max(nearest, now + 0.01), now + 0.05)

    def _expired(self, request: Request, now: float) -> bool:
        """Close a request whose time is up; whether it was."""
        if (late := request.lateness(now)) is not None:
            self._close_request(request, "expired", late)
        return late is not None

    def _close_request(self, request: Request, why: str, error: LithoError) -> None:
        with self._changed:
            if request.closed:
                return
            request.closed = True
            self._open.pop(request.number)
            self._closures += 1
            self._counted.add(why)
            if request.admitted < request.rows and request in self._queue:
                self._queue.remove(request)
                heapq.heapify(self._queue)
            self._changed.notify_all()  # the queue may be empty now, for which a closing lane waits
        with suppress(Exception):
            request.reply.failed(error)
