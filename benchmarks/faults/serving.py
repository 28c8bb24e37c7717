"""A `litho serve` in a process of its own, its processes, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from ...errors import LithoError
from ...extras import require

__all__ = ["Serving"]

START_SECONDS = 120.0
STOP_SECONDS = 60.0
SETTLE_SECONDS = 45.0
SERVER, STUB = "tritonserver", "triton_python_backend_stub"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the kernel keeps POSIX shared memory
_BACKEND_FOLDERS = Path("/tmp")  # noqa: S108 - fixed in the Python backend
_NAME_LENGTH = 15
"""Characters to which the kernel cuts the name of a process."""


class Serving:
    """`litho serve REPOSITORY` while the `with` block runs.

    Args:
        repository: the model repository.
        folder: for temporary files and logs of the command.
        options: further options of the command.

    Attributes:
        said: lines of standard error and output after the first, each with the time on the monotonic clock.
        addresses: what the command printed as JSON.
    """

    def __init__(self, repository: Path, folder: Path, *options: str) -> None:
        self._repository, self._temporary = repository, folder / "temporary"
        self._options = options
        self._before = self._entries()
        self._ports = dict(zip(("http", "grpc", "metrics"), _free_ports(3), strict=True))
        self._seen: dict[int, tuple[Any, str]] = {}
        self._prefixes: list[str] = []
        self.said: list[tuple[float, str]] = []
        self.addresses: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._temporary.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> float:
        """Start the command, on the same ports each time.

        Returns:
            Seconds until it printed its addresses.

        Raises:
            LithoError: it ended or printed nothing for two minutes.
        """
        began = time.monotonic()
        ports = [text for kind, port in self._ports.items() for text in (f"--{kind}-port", str(port))]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "litho", "serve", str(self._repository), "--json", *ports, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(self._temporary)},
            text=True,
        )
        self._prefixes.append(f"litho-{self._process.pid}-")
        ready = threading.Event()
        self._readers = [
            threading.Thread(target=self._read, args=(stream, ready), daemon=True)
            for stream in (self._process.stdout, self._process.stderr)
        ]
        for reader in self._readers:
            reader.start()
        while not ready.wait(0.05):
            if self._process.poll() is not None or time.monotonic() - began > START_SECONDS:
                self._process.kill()
                self._finish()
                raise LithoError(f"litho serve did not start: {' '.join(line for _, line in self.said[-3:])}")
        self.note_processes()
        return time.monotonic() - began

    @property
    def http(self) -> str:
        """HOST:PORT of HTTP."""
        return urlsplit(self.addresses["http"]).netloc

    @property
    def decoupled(self) -> bool:
        """Whether the first model answers in streams only."""
        from tritonclient.grpc import InferenceServerClient

        address, _, model = self.endpoint.removeprefix("grpc://").partition("/")
        with InferenceServerClient(address, channel_args=[("grpc.enable_http_proxy", 0)]) as client:
            config: Any = client.get_model_config(model)
        return bool(config.config.model_transaction_policy.decoupled)

    @property
    def endpoint(self) -> str:
        """The first model's address, grpc://HOST:PORT/MODEL."""
        return self.addresses["endpoints"][0]

    def is_alive(self) -> bool:
        """Whether the command is running."""
        return self._process.poll() is None

    def processes(self, name: str) -> list[Any]:
        """The command's living processes of a name, each a psutil.Process."""
        psutil = require("psutil", "bench")
        found = []
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if process.name()[:_NAME_LENGTH] == name[:_NAME_LENGTH] and process.is_running():
                        found.append(process)
        return found

    def pause(self, seconds: float) -> None:
        """Stop the command and all its processes, as a machine that stands still does, and let them go on."""
        psutil = require("psutil", "bench")
        command = psutil.Process(self._process.pid)
        stopped = [command, *command.children(recursive=True)]
        for signal_number, wait in ((signal.SIGSTOP, seconds), (signal.SIGCONT, 0.0)):
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal_number)
            time.sleep(wait)

    def note_processes(self) -> set[int]:
        """Remember the processes that should be gone in the end; the ids of the servers so far."""
        for name in (SERVER, STUB):
            self._seen.update({process.pid: (process, name) for process in self.processes(name)})
        return {pid for pid, (_, name) in self._seen.items() if name == SERVER}

    def shared_memory(self) -> dict[str, int]:
        """Regions of the command's servers -> bytes."""
        found = {}
        for region in (one for prefix in self._prefixes for one in _SHARED_MEMORY.glob(f"{prefix}*")):
            with suppress(FileNotFoundError):  # it went away meanwhile
                found[region.name] = region.stat().st_size if region.is_file() else 0
        return found

    def settle(self, before: Mapping[str, int], stubs: int) -> tuple[int, int]:
        """Wait until instances that were replaced have ended.

        Args:
            before: `shared_memory()` of another time.
            stubs: number of living stubs then.

        Returns:
            Bytes of shared memory and stubs beyond those of then.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            grown = sum(self.shared_memory().values()) - sum(before.values())
            more = len(self.stubs()) - stubs
            if (grown <= 0 and more <= 0) or time.monotonic() > deadline:
                return max(0, grown), more
            time.sleep(0.2)

    def stubs(self) -> list[Any]:
        """The living processes of instances."""
        psutil = require("psutil", "bench")
        return [one for one in self.processes(STUB) if one.status() != psutil.STATUS_ZOMBIE]

    def terminate(self) -> tuple[int, float]:
        """Ask the command to end: exit code, and seconds until it ended."""
        began = time.monotonic()
        self.note_processes()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._finish()
        return self._process.returncode, time.monotonic() - began

    def stop(self) -> None:
        """End the command, unless it has ended."""
        if self.is_alive():
            self.terminate()
        self._finish()

    def accept_entries(self) -> None:
        """What is in the repository now may stay."""
        self._before = self._entries()

    def left(self) -> list[str]:
        """What is there after the end: processes, shared memory, temporary files, entries of the repository."""
        psutil = require("psutil", "bench")
        _, alive = psutil.wait_procs([process for process, _ in self._seen.values()], timeout=10)
        files = [f"temporary file {file.relative_to(self._temporary)}" for file in self._temporary.rglob("*")]
        return [
            *(f"process {process.pid} {self._seen[process.pid][1]}" for process in alive),
            *(f"shared memory {name}" for name in self.shared_memory()),
            *files,
            *(f"in the repository: {entry}" for entry in sorted(self._entries() - self._before)),
            *(f"folder {folder}" for folder in self._backend_folders()),
        ]

    def _entries(self) -> set[str]:
        return {
            str(entry.relative_to(self._repository))
            for entry in self._repository.rglob("*")
            if "__pycache__" not in entry.parts
        }

    def _backend_folders(self) -> list[Path]:
        """Empty folders that servers of this command made: one that is killed cannot remove its own."""
        starts = [process.create_time() for process, _ in self._seen.values()]
        found = []
        for folder in _BACKEND_FOLDERS.glob("python_env_??????"):
            with suppress(OSError):
                made = folder.stat().st_mtime
                if any(0 <= made - start < 1 for start in starts) and not any(folder.iterdir()):
                    found.append(folder)
        return found

    def _finish(self) -> None:
        """Wait for the end, and read what was said last."""
        self._process.wait()
        for reader, stream in zip(self._readers, (self._process.stdout, self._process.stderr), strict=True):
            reader.join(5)
            if stream is not None and not reader.is_alive():
                stream.close()

    def _read(self, stream: Any, ready: threading.Event) -> None:
        for line in stream:
            text = line.strip()
            if not ready.is_set() and text.startswith("{") and '"endpoints"' in text:
                self.addresses = json.loads(text)
                ready.set()
            elif text:
                self.said.append((time.monotonic(), text))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
