"""A gateway beside a server: a process of its own, which is started again when it dies and drained at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from ...errors import ServerStartError
from ..server import launch
from ..server.backoff import Backoff
from ..server.events import Event, Listener

__all__ = ["GatewayProcess"]

_START_SECONDS = 60.0
_HEALTHY_SECONDS = 60.0


class GatewayProcess:
    """Runs `litho gateway` while the `with` block runs.

        >>> with GatewayProcess("grpc://127.0.0.1:8001", ["--port", "8080"]) as gateway:
        ...     print(gateway.url)
        http://127.0.0.1:8080

    Args:
        server: that it stands before, grpc://HOST:PORT.
        options: of `litho gateway`.
        listener: called with events.

    Attributes:
        url: where it listens.

    Raises:
        ServerStartError: on entering, it did not start; what it said is on standard error.
    """

    def __init__(self, server: str, options: Sequence[str], listener: Listener = lambda event: None) -> None:
        self._command = [
            *(sys.executable, "-I", str(launch.__file__), str(os.getpid())),
            *(sys.executable, "-m", "litho", "gateway", server, *options, "--json"),
        ]
        self._listener = listener
        self._backoff = Backoff(0.2, 30.0)
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="litho-gateway", daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        # The kernel ends the gateway with the thread that started it, which therefore also looks after it.
        self._thread.start()
        try:
            self._started.wait(_START_SECONDS)
        except BaseException:
            self.kill()
            raise
        if not self.url:
            self.kill()
            raise ServerStartError(
                "the gateway did not start; its reason is above, or see 'litho gateway --help'"
            )
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    @property
    def process_id(self) -> int | None:
        """Of the gateway; None while it does not run."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def drain(self) -> None:
        """Let it finish the requests that it has, refuse new ones, and wait until it has ended."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def kill(self) -> None:
        """End it at once; ending it twice is fine."""
        self._stopping.set()
        process = self._process
        if process is not None:
            process.kill()
        if self._thread.is_alive():
            self._thread.join()

    def _look_after(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            code = self._run()
            if not self._started.is_set():  # the first start failed
                self._started.set()
                return
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _HEALTHY_SECONDS:
                self._backoff.reset()
            self._listener(Event("gateway-died", "the gateway died", "error", "", f"exit code {code}"))
            self._stopping.wait(self._backoff.next())

    def _run(self) -> int:
        """Run it once, until it ends."""
        process = self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal reaches the owner, which then drains it
        )
        if self._stopping.is_set():  # nobody saw this process when it was to be ended
            process.kill()
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                self._read(line)
        return process.returncode

    def _read(self, line: str) -> None:
        with suppress(ValueError, KeyError, TypeError):
            document: dict[str, Any] = json.loads(line)
            url = document["gateway"]
            if self._started.is_set():
                self._listener(Event("gateway-restarted", f"the gateway answers again at {url}"))
            self.url = url
            self._started.set()
