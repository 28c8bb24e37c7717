"""What a client asks of in-flight batching, where its pictures go, and what is counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import DeadlineExceeded, EndpointBusy, InvalidInput, LithoError

__all__ = ["Counters", "EngineStatistics", "Options", "Reply", "Request", "Ticket", "rows_of"]


class Reply(Protocol):
    """Where the pictures of one request go; the engine calls it from one thread."""

    def picture(self, row: int, step: int, image: NDArray[np.uint8], *, last: bool) -> None:
        """A picture is ready.

        Args:
            row: of the request.
            step: how many steps the row has taken: all of them for a finished picture, fewer for a preview.
            image: UINT8 of shape (1, height, width, channels).
            last: whether this is the last call for the request.
        """

    def failed(self, error: LithoError) -> None:
        """The request has failed; the last call for it."""

    def is_gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return False


@dataclass(frozen=True)
class Options:
    """What one request asks for besides its pictures.

    Args:
        priority: lower goes first; equal ones go first come, first served.
        seconds: longest time until the last picture; None for no limit.
        queue_seconds: longest time until the last row has left the queue; None for no limit.
        preview_every: steps between two previews of a row; 0 for none.
    """

    priority: int = 0
    seconds: float | None = None
    queue_seconds: float | None = None
    preview_every: int = 0

    def __post_init__(self) -> None:
        if self.preview_every < 0:
            raise InvalidInput(
                f"preview_every was given {self.preview_every}; allowed is 0 for no previews, or a number of steps"
            )


@dataclass(frozen=True)
class EngineStatistics:
    """Counters of an engine since it was opened, and its state now.

    Args:
        requests: accepted.
        pictures, previews: given to replies.
        refused, expired, gone, failed: requests that the queue had no room for, that ran out of time, whose client
            went away, and that failed otherwise.
        steps: runs of the denoiser.
        moved: rows moved in all of them.
        admitted, queue_seconds: rows that left the queue, and how long all of them were in it.
        answered, answer_seconds: requests whose last picture was given, and how long all of them took.
        live, waiting: rows in the lanes, and rows in the queue.
    """

    requests: int = 0
    pictures: int = 0
    previews: int = 0
    refused: int = 0
    expired: int = 0
    gone: int = 0
    failed: int = 0
    steps: int = 0
    moved: int = 0
    admitted: int = 0
    queue_seconds: float = 0.0
    answered: int = 0
    answer_seconds: float = 0.0
    live: int = 0
    waiting: int = 0


@dataclass(eq=False, slots=True)
class Request:
    """A request in an engine's hands; the engine's lock guards what changes.

    Args:
        inputs: checked; field name -> array.
        reply: where its pictures go.
        options: what else it asks for.
        number: of the requests of the engine, ascending.
        rows: pictures that it asks for.
        arrived, look: when it came, and when to ask whether its client is gone, in seconds of the monotonic clock.
        admitted: rows that have left the queue.
        answered: finished pictures.
        closed: whether it was answered, or its remaining rows are no longer wanted.
    """

    inputs: dict[str, NDArray[Any]]
    reply: Reply
    options: Options
    number: int
    rows: int
    arrived: float
    look: float
    admitted: int = 0
    answered: int = 0
    closed: bool = False

    @property
    def due(self) -> float:
        """When it fails for lack of time, unless another of its rows leaves the queue or it is answered."""
        limits = [self.options.seconds]
        if self.admitted < self.rows:
            limits.append(self.options.queue_seconds)
        return self.arrived + min((limit for limit in limits if limit is not None), default=float("inf"))

    def lateness(self, now: float) -> LithoError | None:
        """Why it fails for lack of time; None while it has time."""
        if now < self.due:
            return None
        if (seconds := self.options.seconds) is not None and now >= self.arrived + seconds:
            return DeadlineExceeded(f"deadline exceeded: not all pictures were made within {seconds:g} s")
        return EndpointBusy(
            f"timeout expired: the request waited {self.options.queue_seconds:g} s in the queue"
        )

    def __lt__(self, other: Request) -> bool:
        return (self.options.priority, self.number) < (other.options.priority, other.number)


Ticket = tuple[Request, int]
"""A row of a request."""


def rows_of(tickets: list[Ticket]) -> dict[str, NDArray[Any]]:
    """The inputs of some rows, as one batch."""
    names = tickets[0][0].inputs
    return {
        name: np.concatenate([request.inputs[name][row : row + 1] for request, row in tickets])
        for name in names
    }


@dataclass
class Counters:
    """Sums by name, as `EngineStatistics` takes them; whoever adds holds the engine's lock."""

    values: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, count: float = 1) -> None:
        """Add to a sum, which is 0 at first."""
        self.values[name] = self.values.get(name, 0) + count
