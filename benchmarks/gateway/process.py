"""A `litho gateway` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from ...errors import LithoError

__all__ = ["GatewayProcess"]

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")


class GatewayProcess:
    """`litho gateway URL` while the `with` block runs.

    Args:
        server: grpc://HOST:PORT of the Triton server.
        log: file of what it prints.
        options: further options of the command.

    Attributes:
        address: HOST:PORT.
        url: http://HOST:PORT.

    Raises:
        LithoError: on entry: it ended, or was not ready for a minute.
    """

    def __init__(self, server: str, log: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address, self.url = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"
        self._log = log
        self._command = [
            *(sys.executable, "-m", "litho", "gateway", server),
            *("--host", "127.0.0.1", "--port", str(port), *options),
        ]

    def __enter__(self) -> Self:
        self._file = self._log.open("ab")
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._file, stderr=self._file
        )
        until = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                said = self._log.read_text(errors="replace").strip().splitlines()
                raise LithoError(f"litho gateway did not start: {' '.join(said[-2:])}")
            time.sleep(_POLL_SECONDS)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def process_id(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    @property
    def resident_bytes(self) -> int:
        """Memory that it holds."""
        pages = int(Path(f"/proc/{self.process_id}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def cpu_seconds(self) -> float:
        """Processor time that it has spent."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def stop(self) -> int:
        """End it, unless it has ended; its exit code."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._file.close()
        return self._process.wait()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310 - http only
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False
