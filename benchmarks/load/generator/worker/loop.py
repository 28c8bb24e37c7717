"""Wait for sockets and for moments; keep requests in flight, or send them on schedule."""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable
from typing import Any, Protocol

from .book import EVERY, START, STOP, Book
from .plan import Message, Plan

__all__ = ["Loop", "Sender", "Waiter"]

POLL_SECONDS = 0.05
"""How often to look whether the parent has said stop."""

now = time.perf_counter


class Sender(Protocol):
    """What the loop needs of a transport."""

    def send(self, scheduled: float) -> None:
        """Start the next request, which was due at a reading of the clock."""

    def flush(self) -> None:
        """Send what `send` has gathered."""


class Waiter:
    """An event loop of the smallest kind."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def watch(self, descriptor: int, ready: Callable[[int], None], events: int) -> None:
        """Call `ready` with the events whenever some of `events` are there."""
        if descriptor in self._ready:
            self._epoll.modify(descriptor, events)
        else:
            self._epoll.register(descriptor, events)
        self._ready[descriptor] = ready

    def forget(self, descriptor: int) -> None:
        """Watch it no longer."""
        if self._ready.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def later(self, moment: float, action: Callable[[], None]) -> None:
        """Call `action` at a reading of the clock, or soon after it."""
        self._count += 1
        heapq.heappush(self._later, (moment, self._count, action))

    def turn(self, until: float, *, fine: bool = False) -> None:
        """Wait for something to do, at most until a reading of the clock, and do it.

        Args:
            until: when to return at the latest.
            fine: whether a millisecond matters.
        """
        later = self._later
        if later and later[0][0] < until:
            until = later[0][0]
        left = until - now()
        if left > 0:
            # epoll counts in milliseconds, which is too coarse for a schedule: select counts in microseconds.
            if fine and not select.select([self._epoll], [], [], left)[0]:
                events: list[tuple[int, int]] = []
            else:
                events = self._epoll.poll(left)
        else:
            events = self._epoll.poll(0)
        ready = self._ready
        for descriptor, event in events:
            if descriptor in ready:  # an earlier one of this turn may have closed it
                ready[descriptor](event)
        while later and later[0][0] <= now():
            heapq.heappop(later)[2]()


class Loop:
    """Follows a plan.

    Args:
        plan: to follow.
        book: where it is noted.
        waiter: waits.
        words: of `Control`.
    """

    def __init__(self, plan: Plan, book: Book, waiter: Waiter, words: memoryview) -> None:
        self._plan, self._book, self._waiter, self._words = plan, book, waiter, words
        self._messages, self._picked = plan.messages, plan.picked
        self._kinds = len(plan.messages)
        self._first, self._seed, self._stride = now(), plan.first_seed, plan.stride
        self._closed, self._most = plan.in_flight > 0, plan.most or 1 << 62
        self.transport: Any = None

    @property
    def stopped(self) -> bool:
        """Whether the parent has said to start no more requests."""
        return self._words[STOP] != 0

    def run(self, transport: Sender) -> None:
        """Follow the plan to its end: until the parent says stop, or the schedule is over, and all are answered."""
        self.transport = transport
        while not self._words[START]:
            time.sleep(0.0005)
        self._first = self._words[START] * 1e-9
        self._waiter.turn(self._first)
        if self._plan.in_flight:
            self._keep_going()
        else:
            self._follow()
        while self._book.ended_count < self._book.count:
            self._waiter.turn(now() + POLL_SECONDS)

    def message(self, number: int) -> tuple[Message, bytes, int]:
        """The kind and bytes of the request with a number, and which picked one it is, -1 for none."""
        every = self._words[EVERY]
        if every and number % every == every - 1:
            picks = self._book.picks
            picked = len(picks) % len(self._picked)
            picks.append((number, picked))
            message = self._picked[picked]
            return message, message.content, picked
        message = self._messages[number % self._kinds]
        return message, message.of(self._seed + number * self._stride), -1

    @property
    def next_number(self) -> int:
        """Number of the request that leaves next."""
        return self._book.count

    def begin(self, scheduled: float) -> int:
        """Note that the next request leaves now; its number."""
        return self._book.begin(scheduled - self._first, now() - self._first)

    def preview(self, number: int, moment: float) -> None:
        """Note the first preview, or first picture, of an answer that streams."""
        preview = self._book.preview
        if preview[number] != preview[number]:
            preview[number] = moment - self._first

    def done(self, number: int, moment: float, error: str | None) -> None:
        """Note an answer; in a closed loop the next request takes its place at once."""
        if self._closed and not self._words[STOP] and self._book.count < self._most:
            self.transport.send(moment)
        self._book.end(number, moment - self._first, error)

    def keep(self, number: int, picked: int, pictures: bytes) -> None:
        """Keep the pictures of a picked request."""
        self._book.keep(number, picked, pictures)

    def _keep_going(self) -> None:
        for _ in range(min(self._plan.in_flight, self._most)):
            self.transport.send(now())
        self.transport.flush()
        while not self._words[STOP] and self._book.ended_count < self._most:
            self._waiter.turn(now() + POLL_SECONDS)

    def _follow(self) -> None:
        for moment in self._plan.times:
            scheduled = self._first + moment
            while now() < scheduled and not self._words[STOP]:
                self._waiter.turn(min(scheduled, now() + POLL_SECONDS), fine=True)
            if self._words[STOP]:
                return
            self.transport.send(scheduled)
            self.transport.flush()
