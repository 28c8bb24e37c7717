"""How long a client waits for an answer: it may ask for less than the gateway allows, and never for more."""

from __future__ import annotations

import re
import time

from ..errors import ApiError, refused
from ..exchange import Exchange, Stage
from ..gateway import Gateway

__all__ = ["HEADER", "ORDER", "Middleware"]

ORDER = 75
HEADER = b"x-deadline-seconds"

_NUMBER = re.compile(rb"[0-9]{1,5}(\.[0-9]{1,6})?")


class Middleware(Stage):
    """Sets `request.state.deadline_seconds`, and `deadline` as `time.monotonic` gives it.

    Routes pass on to Triton what is left when the request's body has arrived.

    The header `x-deadline-seconds` has a positive number, such as 2.5; without it the setting `timeout_seconds` holds.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._most = gateway.settings.timeout_seconds

    def begin(self, exchange: Exchange) -> ApiError | None:
        """Read what the client asks for."""
        seconds, given = self._most, exchange.header(HEADER)
        if given is not None:
            if _NUMBER.fullmatch(given) is None or float(given) == 0:
                return refused(
                    "the header x-deadline-seconds is not a number of seconds above 0, such as 2.5",
                    HEADER.decode(),
                    "invalid_deadline",
                )
            seconds = min(seconds, float(given))
        exchange.state["deadline_seconds"] = seconds
        exchange.state["deadline"] = time.monotonic() + seconds
        return None
