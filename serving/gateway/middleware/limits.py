"""How often and how many at a time a client may ask for pictures."""

from __future__ import annotations

from ..errors import ApiError
from ..exchange import Exchange, Stage
from ..gateway import Gateway

__all__ = ["ORDER", "Middleware"]

ORDER = 90


class Middleware(Stage):
    """Answers 429 with Retry-After over a client's limits, 503 over the gateway's.

    A quarter of what the gateway takes is not for one client's bodies on their way, however slow that client is.

    Only POST counts: it makes pictures. The client is the key, or without keys the address; `request.state.client`
    names it.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._guard = gateway.guard

    def begin(self, exchange: Exchange) -> ApiError | None:
        """Count it, or refuse it."""
        key, address = exchange.state.get("key"), exchange.scope.get("client")
        client = exchange.state["client"] = key.id if key is not None else address[0] if address else ""
        if exchange.method == "POST":
            try:
                self._guard.enter(client, key, body=exchange.has_body)
            except ApiError as error:
                return error
            exchange.state["counted"] = True
            if exchange.has_body:
                exchange.on_arrival = lambda: self._guard.arrived(client)
        return None

    def sent(self, exchange: Exchange) -> None:
        """It no longer counts: the work of a library that ends it may take longer than the client's next request."""
        if exchange.state.pop("counted", False):
            self._guard.leave(exchange.state["client"])

    def end(self, exchange: Exchange) -> None:
        """It no longer counts, and nor does what has not arrived of it."""
        exchange.arrived()
        self.sent(exchange)
