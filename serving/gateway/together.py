"""Requests to one model that arrive at the same moment travel to the server as one.

A request costs the gateway and Triton processor time beside that of its pictures: of small generators as much again as
the pictures. No request waits for another: what one turn of the event loop has read is sent in the next, or in a later
one while each turn reads more and the server is busy. A picture does not depend on the batch that it is made in.

One request for all would leave instances of the model idle: while one works on it, the others have nothing to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DeadlineExceeded, EndpointBusy, EndpointError, EndpointUnavailable
from ...runners.triton import MOST_REQUEST_BYTES, Images, Options, safe_inputs
from ...signature.fields import Role
from ..clients import AsyncClient

__all__ = ["Together"]

_SHARES = 4
"""Requests that those in hand are spread over: of two instances, each has one at work and one that waits for it."""


_alike = attrgetter(*(field.name for field in fields(Options) if field.name != "request_id"))
"""What two requests must have in common to travel together."""


@dataclass(frozen=True, eq=False)
class _Part:
    """A request that waits for the end of the turn.

    Args:
        inputs: field name -> array with a batch axis in front.
        rows: how many pictures.
        options: of the request.
        answer: what its caller awaits.
    """

    inputs: dict[str, NDArray[Any]]
    rows: int
    options: Options
    answer: asyncio.Future[Images]

    @property
    def size(self) -> int:
        """Bytes of the inputs."""
        return sum(array.nbytes for array in self.inputs.values())


class Together:
    """Sends requests for a model, those of the same moment as one where that changes nothing for them.

    Models that work in steps are asked request by request, because rows with few steps would wait for those with many;
    so is a model beside a candidate version, which gets its share request by request.

    Args:
        client: of the model, connected.

    Attributes:
        requests: that were submitted.
        sent: to the server for them.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        steps = client.signature.field(Role.STEPS) is not None
        self._alone = client.decoupled or steps or client.max_batch_size <= 1
        self._waiting: dict[Any, list[_Part]] = {}
        self.requests = self.sent = self._asked = 0

    def submit(self, inputs: Mapping[str, Any], options: Options) -> asyncio.Future[Images]:
        """Send a request; cancelling the answer cancels the work on the server, unless others wait for it too.

        Args:
            inputs: field name -> array with a batch axis in front, checked, as from `signature.check`.
            options: of this request.

        Raises:
            InvalidInput: an empty batch, another shape or too large a request: that could end the server.
        """
        self.requests += 1
        if self._alone or self._client.has_candidate:
            self.sent += 1
            return self._client.submit(inputs, options)
        complete = safe_inputs(self._client.signature, inputs)
        rows = len(next(iter(complete.values())))
        loop = asyncio.get_running_loop()
        part = _Part(complete, rows, options, loop.create_future())
        key = (*[array.shape[1:] for array in complete.values()], *_alike(options))
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = [part]
            loop.call_soon(self._send, key)
        else:
            waiting.append(part)
        return part.answer

    def _send(self, key: Any, before: int = 0) -> None:
        left = [part for part in self._waiting[key] if not part.answer.done()]
        rows = sum(part.rows for part in left)
        if before < rows < self._asked // _SHARES:
            # The server has enough to do, and this turn has brought more: so may the next.
            asyncio.get_running_loop().call_soon(self._send, key, rows)
            return
        del self._waiting[key]
        share = -(-(self._asked + rows) // _SHARES)
        for parts in _groups(left, min(share, self._client.max_batch_size)):
            self._send_as_one(parts)

    def _send_as_one(self, parts: Sequence[_Part]) -> None:
        rows = sum(part.rows for part in parts)
        self.sent += 1
        first = parts[0]
        inputs = first.inputs
        if len(parts) > 1:
            inputs = {name: np.concatenate([part.inputs[name] for part in parts]) for name in inputs}
        task = self._client.submit(inputs, first.options)
        self._asked += rows
        task.add_done_callback(lambda done: self._answered(parts, rows, done))

        def left(answer: asyncio.Future[Images]) -> None:
            if answer.cancelled() and all(part.answer.cancelled() for part in parts):
                task.cancel()

        for part in parts:
            part.answer.add_done_callback(left)

    def _answered(self, parts: Sequence[_Part], rows: int, done: asyncio.Task[Images]) -> None:
        self._asked -= rows
        if done.cancelled():
            for part in parts:
                part.answer.cancel()
            return
        error = done.exception()
        if error is not None:
            self._failed([part for part in parts if not part.answer.done()], error)
            return
        images, start = done.result(), 0
        for part in parts:
            stop = start + part.rows
            if not part.answer.done():
                own = {name: array[start:stop] for name, array in images.items()}
                part.answer.set_result(Images(own, images.made_by))
            start = stop

    def _failed(self, parts: Sequence[_Part], error: BaseException) -> None:
        passing = isinstance(error, EndpointBusy | EndpointUnavailable | DeadlineExceeded)
        if len(parts) > 1 and isinstance(error, EndpointError) and not passing:
            # One of them may be what the server refused: the others are not to fail with it.
            for part in parts:
                self._send_as_one([part])
            return
        for part in parts:
            part.answer.set_exception(error)


def _groups(parts: Sequence[_Part], most_rows: int) -> Iterator[list[_Part]]:
    """The parts in order, in groups of so many rows at most that are not too large to be sent."""
    group: list[_Part] = []
    rows = size = 0
    for part in parts:
        if group and (rows + part.rows > most_rows or size + part.size > MOST_REQUEST_BYTES):
            yield group
            group, rows, size = [], 0, 0
        group.append(part)
        rows, size = rows + part.rows, size + part.size
    if group:
        yield group
