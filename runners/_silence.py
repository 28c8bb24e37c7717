"""A limit on the time between two answers of a stream: a killed process of a server never ends its streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["Silent", "heard"]


class Silent(Exception):
    """A stream sent nothing for as long as it may, and was cancelled."""


def heard(call: Any, most_seconds: float | None) -> Iterator[Any]:
    """The answers of a stream.

    Only the time that the reader waits counts, not the time that it takes for itself.

    Args:
        call: of gRPC, an iterator with `cancel`.
        most_seconds: longest wait for one answer; None for no limit.

    Raises:
        Silent: an answer took longer.
        grpc.RpcError: the stream failed.
    """
    if most_seconds is None:
        yield from call
        return
    limit = _Limit(call, most_seconds)
    limit.start()
    try:
        while True:
            limit.since = time.monotonic()
            try:
                answer = next(call)
            except StopIteration:
                return
            except Exception:
                if limit.reached:
                    raise Silent from None
                raise
            finally:
                limit.since = None
            yield answer
    finally:
        limit.over.set()


class _Limit(threading.Thread):
    def __init__(self, call: Any, most_seconds: float) -> None:
        super().__init__(name="litho-silence", daemon=True)
        self._call, self._most_seconds = call, most_seconds
        self.since: float | None = None
        self.over = threading.Event()
        self.reached = False

    def run(self) -> None:
        left = self._most_seconds
        while not self.over.wait(left):
            since = self.since
            left = self._most_seconds - (0.0 if since is None else time.monotonic() - since)
            if left <= 0:
                self.reached = True
                self._call.cancel()
                return
