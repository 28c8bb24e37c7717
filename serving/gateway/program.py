"""The running gateway: one process, one event loop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import FrameType

from .settings import GatewaySettings

__all__ = ["Program"]


class Program:
    """A gateway that listens.

    Args:
        settings: of the gateway.
        ready: called once it listens.
    """

    def __init__(self, settings: GatewaySettings, ready: Callable[[], None] = lambda: None) -> None:
        self._settings, self._ready = settings, ready
        self._listening = threading.Event()
        self._socket: socket.socket | None = None
        self._stopped = False
        self._server = None

    @property
    def url(self) -> str:
        """Where it listens; before it does, where it will."""
        port = self._settings.port if self._socket is None else self._socket.getsockname()[1]
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"http://{host}:{port}"

    def run(self) -> None:
        """Listen until SIGINT, SIGTERM or `stop`.

        Raises:
            UsageError: the address cannot be bound.
        """
        import uvicorn

        from .application import make_application

        config = uvicorn.Config(
            make_application(self._settings),
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        program = self

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                if self.started:
                    program._listening.set()
                    program._ready()

            def handle_exit(self, sig: int, frame: FrameType | None) -> None:
                # uvicorn's own raises the signal anew when all is closed, which looks like a failure.
                self.force_exit, self.should_exit = self.should_exit, True

        self._server = Server(config)
        self._server.should_exit = self._stopped
        with self._bound() as bound:
            self._socket = bound
            try:
                self._server.run(sockets=[bound])
            finally:
                self._listening.set()

    def stop(self) -> None:
        """End it, from another thread."""
        self._stopped = True
        if self._server is not None:
            self._server.should_exit = True

    def wait(self, seconds: float) -> bool:
        """Wait until it listens or has ended; whether one of them came within this time."""
        return self._listening.wait(seconds)

    def _bound(self) -> socket.socket:
        from ...errors import UsageError

        host, port = self._settings.host, self._settings.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(2048)
        except OSError as error:
            bound.close()
            raise UsageError(
                f"cannot listen at {host}:{port}: {error.strerror}; give another --host or --port"
            ) from None
        return bound
