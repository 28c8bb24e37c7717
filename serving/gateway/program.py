"""The running gateway: one process, one event loop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...errors import UsageError
from ...runners.triton import is_loopback
from ..server.events import Event
from .protection.answers import App, Receive, Scope, Send
from .protection.binding import TlsFiles, check_binding
from .settings import GatewaySettings

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from .gateway import Gateway
    from .protection.guard import Guard
    from .protection.request_log import RequestLog

__all__ = ["Program", "give_way", "settle_memory"]

_LOGGERS = ("uvicorn.error", "asyncio", "python_multipart")
"""Libraries whose words go into the gateway's log, and nowhere else."""

_CLOSE_SECONDS = 5
"""At the end, for connections to close."""


_YOUNG_OBJECTS, _MIDDLE_ROUNDS, _OLD_ROUNDS = 50_000, 20, 20


def settle_memory() -> None:
    """Leave what a started gateway consists of to itself: the search for cycles took an eighth of its time.

    It concerns the whole process. Requests make few cycles, so that seldom looking for them keeps memory flat.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _MIDDLE_ROUNDS, _OLD_ROUNDS)


def give_way(server: str) -> None:
    """Let a server on this machine finish what it does before this thread, and threads that it starts, come to run.

    Waking up, a thread takes a core from one that is at work; under `SCHED_BATCH` it waits its turn, and its share of
    the cores stays the same. Beside a server on the same cores it then finds more requests, which travel together, and
    both lose less time to each other. What was started under another policy, or may not choose one, keeps its own.

    Args:
        server: grpc://HOST:PORT.
    """
    if not is_loopback(urlsplit(server).netloc) or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class Program:
    """A gateway that listens.

    SIGINT or SIGTERM drains it: new requests are answered 503, accepted ones are finished within `drain_seconds`. A
    second signal ends it at once.

    Args:
        settings: of the gateway.
        ready: called once it listens.
    """

    def __init__(self, settings: GatewaySettings, ready: Callable[[], None] = lambda: None) -> None:
        self._settings, self._ready = settings, ready
        self._listening = threading.Event()
        self._socket: socket.socket | None = None
        self._stopped = False
        self._server: uvicorn.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens; before it does, where it will."""
        port = self._settings.port if self._socket is None else self._socket.getsockname()[1]
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"http{'s' if self._settings.tls_certificate else ''}://{host}:{port}"

    def run(self) -> None:
        """Listen until SIGINT, SIGTERM or `stop`.

        Raises:
            UsageError: the address cannot be bound, or may not be without keys and TLS; a file of keys or of TLS
                cannot be used.
            SchemaError: a file of keys was not written by litho.
        """
        check_binding(self._settings)
        config, guard = self._config()
        self._server = _server_of(self, config, guard)
        self._server.should_exit = self._stopped
        with self._bound() as bound, _logged(guard.log):
            self._socket = bound
            try:
                self._server.run(sockets=[bound])
            finally:
                self._listening.set()
                guard.log.close()

    def stop(self) -> None:
        """End it, from another thread, without a drain."""
        self._stopped = True
        if self._server is not None:
            self._server.should_exit = True

    def wait(self, seconds: float) -> bool:
        """Wait until it listens or has ended; whether one of them came within this time."""
        return self._listening.wait(seconds)

    def listens(self) -> None:
        """It listens now."""
        self._listening.set()
        self._ready()

    @property
    def drain_seconds(self) -> float:
        """Longest time to finish accepted requests."""
        return self._settings.drain_seconds

    def _config(self) -> tuple[uvicorn.Config, Guard]:
        import uvicorn

        from .application import make_application
        from .protection.connections import make_protocol

        settings = self._settings
        application = make_application(settings)
        config = uvicorn.Config(
            _quickly(application),
            interface="asgi3",
            loop="uvloop",
            http=make_protocol(settings),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=settings.idle_seconds,  # pyright: ignore[reportArgumentType] - seconds of call_later
            timeout_graceful_shutdown=_CLOSE_SECONDS,
        )
        config.load()
        gateway: Gateway = application.state.gateway
        if settings.tls_certificate is not None and settings.tls_key is not None:
            files = TlsFiles(settings.tls_certificate, settings.tls_key)
            gateway.certificates.watch("tls", files)
            config.ssl = files.context
        return config, gateway.guard

    def _bound(self) -> socket.socket:
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


def _server_of(program: Program, config: uvicorn.Config, guard: Guard) -> uvicorn.Server:
    import uvicorn

    from .protection.tls_listener import listen

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets if config.ssl is None else [])
            if self.started:
                self._loop = asyncio.get_running_loop()
                if config.ssl is not None:
                    # It stands among uvicorn's servers to be closed with them.
                    self.servers.extend(listen(self, bound) for bound in sockets or [])  # pyright: ignore[reportArgumentType]
                program.listens()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            # uvicorn's own raises the signal anew when all is closed, which looks like a failure.
            if guard.drain.draining or not self.started:
                self.force_exit = self.should_exit = True
            else:
                self._loop.call_soon_threadsafe(self._drain)

        def _drain(self) -> None:
            if not guard.drain.draining:
                running = guard.drain.running
                guard.log(Event("draining", "shutting down", values={"in_hand": running}))
                self._loop.call_later(program.drain_seconds, self._give_up)
                guard.drain.begin(self._end)

        def _end(self) -> None:
            self.should_exit = True

        def _give_up(self) -> None:
            if not self.should_exit:
                left = guard.drain.running
                said = f"{left} accepted requests were not finished within {program.drain_seconds:g} s"
                guard.log(Event("drain-timeout", said, "warning", values={"in_hand": left}))
                config.timeout_graceful_shutdown = 0  # they had their time
                self.should_exit = True

    return Server(config)


def _quickly(application: FastAPI) -> App:
    """The application without the two calls in which FastAPI and Starlette look whether there is anything to do."""
    stack = application.middleware_stack
    assert stack is not None, "make_application builds it"

    def entered(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        scope["app"] = application
        return stack(scope, receive, send)

    return entered


@contextmanager
def _logged(log: RequestLog) -> Iterator[None]:
    """What the libraries report goes to the log while the block runs."""
    handler = log.handler()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagates in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagates
