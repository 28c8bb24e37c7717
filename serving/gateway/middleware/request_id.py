"""Every request has an id, which its answer, its errors, its line in the log and its receipt carry."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..exchange import Exchange, Stage
from ..gateway import Gateway

__all__ = ["ORDER", "Middleware"]

ORDER = 10

_ALLOWED = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Middleware(Stage):
    """Takes the id from the header `x-request-id` if it is harmless, and makes one otherwise."""

    def __init__(self, gateway: Gateway) -> None:
        self._random = _random_bytes()

    def begin(self, exchange: Exchange) -> None:
        """Give it its id."""
        given = exchange.header(b"x-request-id")
        known = given is not None and _ALLOWED.fullmatch(given)
        exchange.state["request_id"] = (
            given.decode() if given and known else f"req_{next(self._random).hex()}"
        )

    def head(self, exchange: Exchange, headers: list[tuple[bytes, bytes]]) -> None:
        """The answer carries it."""
        headers.append((b"x-request-id", exchange.state["request_id"].encode()))


def _random_bytes() -> Iterator[bytes]:
    """Twelve random bytes, again and again; to ask the kernel for them takes longer than the rest of this file."""
    while True:
        drawn = os.urandom(12 * _DRAWN)
        for start in range(0, len(drawn), 12):
            yield drawn[start : start + 12]


_DRAWN = 128
