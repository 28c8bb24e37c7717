"""Accepts connections of TLS, and counts those whose handshake is not done yet: servers see them only after it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

__all__ = ["TlsListener", "listen"]

_LEAST_HANDSHAKES = 64
"""So many may run although there are as many connections as are taken: after it those are answered 503."""

_PAUSE_SECONDS = 0.1
"""After a connection could not be accepted, such as for want of files."""


def listen(server: uvicorn.Server, bound: socket.socket) -> TlsListener:
    """Accept connections for a server that has started, with its limits and its TLS.

    Args:
        server: whose protocol `connections.make_protocol` made.
        bound: socket that listens.
    """
    config = server.config
    assert config.ssl is not None, "without TLS uvicorn listens itself"
    protocol: Any = config.http_protocol_class
    return TlsListener(
        bound,
        config.ssl,
        lambda: protocol(config=config, server_state=server.server_state, app_state=server.lifespan.state),
        open_connections=lambda: len(server.server_state.connections),
        most_connections=protocol.most_connections,
        handshake_seconds=protocol.header_seconds,
    )


class TlsListener:
    """Listens at a socket until it is closed; made inside of an event loop.

    A handshake that waits takes the place of a connection. Where there is none left for a new client, the handshake
    that has waited longest is ended: clients that open connections and say nothing keep nobody out.

    Args:
        bound: socket that listens.
        context: of TLS.
        make_protocol: gives the protocol of a connection, which hears of it after the handshake.
        open_connections: how many there are whose handshake is done.
        most_connections: whose handshake is done or not.
        handshake_seconds: longest time of a handshake.
    """

    def __init__(
        self,
        bound: socket.socket,
        context: ssl.SSLContext,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        open_connections: Callable[[], int],
        most_connections: int,
        handshake_seconds: float,
    ) -> None:
        self._socket, self._context, self._make_protocol = bound, context, make_protocol
        self._open_connections, self._most = open_connections, most_connections
        self._seconds = handshake_seconds
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}  # in the order in which they began
        bound.setblocking(False)
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    @property
    def handshakes(self) -> int:
        """How many are not done."""
        return len(self._handshakes)

    def close(self) -> None:
        """Accept no more, and end handshakes that are not done."""
        self._accepting.cancel()
        for client in self._handshakes.values():
            _end(client)

    async def wait_closed(self) -> None:
        """Wait until what `close` ended has ended."""
        await asyncio.gather(self._accepting, *self._handshakes, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._socket)
            except OSError:  # the client is gone already, or there are no files
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            room = max(self._most - self._open_connections(), _LEAST_HANDSHAKES)
            if len(self._handshakes) >= room:
                _end(self._handshakes.pop(next(iter(self._handshakes))))
            task = loop.create_task(self._shake_hands(client))
            self._handshakes[task] = client
            task.add_done_callback(self._done)
            await asyncio.sleep(0)  # many that come at once keep nothing else waiting

    async def _shake_hands(self, client: socket.socket) -> None:
        with suppress(OSError):  # what is no TLS, too slow or gone concerns nobody else
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_protocol, client, ssl=self._context, ssl_handshake_timeout=self._seconds
            )

    def _done(self, task: asyncio.Task[None]) -> None:
        self._handshakes.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a connection of TLS failed", "exception": error}
            )


def _end(client: socket.socket) -> None:
    """End a connection whose handshake goes on; its task sees that nothing more comes, and closes it."""
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
