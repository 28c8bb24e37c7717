"""The embedded Triton server: starts and supervises a process, and removes everything that it leaves.

It serves an ordinary model repository on a machine without Docker, and on GPUs if it was installed for them
(`environment.install`). It is Triton 24.10, without many later security fixes: use it for development, tests and
demonstrations on loopback, and a current container in production.
"""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Self

from ... import interrupts
from ...bundle.keys import PublicKey
from ...errors import ServerStartError
from ..backend.in_hand import DRAIN_VARIABLE, read_records
from ..control.server_control import CONTROL_HEADER, ServerControl
from ..repository.operations import settle_all
from ..repository.trust import KEY_VARIABLE, check_repository
from .addresses import TAKEN, bracketed, check_host, choose_ports, identity, is_ready
from .deaths import cause_of_death, decisive_line, ending
from .environment import find
from .leftovers import (
    SHARED_MEMORY,
    remove_empty_folders,
    remove_shared_memory,
    remove_stale_shared_memory,
)
from .processes import describe, listener, stubs_of
from .served_models import is_cached, served_models
from .traces import trace_options

__all__ = ["EmbeddedServer"]

START_SECONDS = 120.0
STOP_SECONDS = 15.0
_ATTEMPTS = 3
_LAUNCH = Path(__file__).with_name("launch.py")
_CACHE_BYTES = 64 * 2**20
_POLL_SECONDS = 0.05
_RESTRICTED = "model-repository,trace,logging"
"""What operates a server, as `--http-restricted-api` and `--grpc-restricted-protocol` call it."""

_numbers = itertools.count()


class EmbeddedServer:
    """A Triton server that serves a model repository while the `with` block runs.

        >>> with EmbeddedServer("models") as server, Client(f"{server.grpc_url}/digits") as client:
        ...     images = client.generate(seed=[7, 8], label=3)
        >>> images.shape
        (2, 32, 32, 1)

    The kernel ends the server when the thread that entered the block ends, even if it is killed. Enter the block in a
    thread that lives as long as the server is needed.

    Args:
        repository: the model repository.
        host: address to bind.
        http_port, grpc_port, metrics_port: by default free ports.
        allow_remote: allow an address that other machines can reach.
        require_signature: PEM file of a public key; every bundle must be signed with it, before the server starts and
            whenever it loads a model. By default only deployments that ask for a key are checked.
        traces: collector that the server sends spans to by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces, of
            requests that bring the header `traceparent`; None for no traces.
        log: file for the server's output; by default a temporary file, which is kept only if the server failed.

    Attributes:
        http_url, metrics_url: such as "http://127.0.0.1:8000".
        grpc_url: such as "grpc://127.0.0.1:8001"; a model's endpoint is "<grpc_url>/<model>".
        process_id: of the server.
        server_id: the name that this server alone gives over its ports.
        control_key: that it asks of who loads and unloads models; None on loopback.
        log: file with the server's output.
        drain_file: while it exists, models refuse new requests.

    Raises:
        UsageError: a port is in use, the address is not loopback, or the key or the collector cannot be used.
        TrustError: on entering, a model of the repository is not signed with the required key.
        ServerStartError: on entering, the repository holds no model, the server did not become ready, or another
            process has one of its ports; the message quotes the decisive line of the log.
        ServerError: on entering, the server is not installed.
    """

    def __init__(  # noqa: PLR0913
        self,
        repository: Path | str,
        *,
        host: str = "127.0.0.1",
        http_port: int | None = None,
        grpc_port: int | None = None,
        metrics_port: int | None = None,
        allow_remote: bool = False,
        require_signature: Path | str | None = None,
        traces: str | None = None,
        log: Path | None = None,
    ) -> None:
        self._traces = trace_options(traces)
        self._repository = Path(repository)
        self._host = host
        self._given_ports = {"http": http_port, "grpc": grpc_port, "metrics": metrics_port}
        remote = check_host(host, allow_remote)
        # Loading a model may bring code along: other machines get no such right with the address.
        self.control_key = secrets.token_hex(16) if remote else None
        self._key = None if require_signature is None else PublicKey.read(require_signature)
        self._temporary_log = log is None
        self.log = log or Path(tempfile.gettempdir()) / f"litho-server-{os.getpid()}-{next(_numbers)}.log"
        self.server_id = f"litho-{uuid.uuid4().hex}"
        self._prefix = f"litho-{os.getpid()}-{next(_numbers)}-"
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}
        self._started = 0.0  # seconds since the epoch
        self._ended_alive = False  # whether the last process was running when it was stopped
        self._log_start = 0  # where in the log the output of this process begins
        self.drain_file = SHARED_MEMORY / f"{self._prefix}state" / "drain"

    def __repr__(self) -> str:
        state = f"{self.grpc_url}, {self.http_url}" if self.is_alive() else "not running"
        return f"<EmbeddedServer of {self._repository}, {state}>"

    @property
    def http_url(self) -> str:
        """Address of the HTTP endpoint."""
        return f"http://{bracketed(self._host)}:{self._ports['http']}"

    @property
    def grpc_url(self) -> str:
        """Address of the gRPC endpoint."""
        return f"grpc://{bracketed(self._host)}:{self._ports['grpc']}"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Addresses of all models, such as "grpc://127.0.0.1:8001/digits"."""
        return tuple(f"{self.grpc_url}/{name}" for name in served_models(self._repository))

    @property
    def metrics_url(self) -> str:
        """Address of the Prometheus metrics."""
        return f"http://{bracketed(self._host)}:{self._ports['metrics']}/metrics"

    @property
    def process_id(self) -> int:
        """Process id of the server."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def __enter__(self) -> Self:
        settle_all(self._repository)
        self._check_repository()
        if self._key is not None:
            check_repository(self._repository, self._key)
        for attempt in range(_ATTEMPTS):
            self._ports = choose_ports(self._host, self._given_ports)
            try:
                self._start()
                return self
            except ServerStartError as error:
                self.stop()
                # Another process may take a free port before the server binds it.
                taken = TAKEN in str(error) and None in self._given_ports.values()
                if not taken or attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                self.stop()
                self._forget_log()
                raise
        raise AssertionError("the last attempt returns or raises")

    def __exit__(self, *error: object) -> None:
        self.stop()
        if self._ended_alive:
            self._forget_log()

    def restart(self) -> None:
        """Start anew on the same ports, after the server died; the log is continued.

        Other than at the first start, a model that does not load leaves the others served: `is_alive` is True then,
        and the server's own health says that it is not ready.

        Raises:
            LithoError: as on entering the block; the server is not running then.
        """
        self.stop()
        self._check_repository()
        if self._key is not None:
            check_repository(self._repository, self._key)
        try:
            choose_ports(self._host, dict[str, int | None](self._ports))
            self._start(again=True)
        except BaseException:
            self.stop()
            raise

    def in_hand(self) -> int:
        """Requests that the models have accepted and not answered yet; those still in Triton's queues are none."""
        if not self.is_alive():
            return 0
        alive = {stub.pid for stub in stubs_of(self.process_id) if stub.state != "Z"}
        return sum(record.in_hand for pid, record in read_records(self.drain_file).items() if pid in alive)

    def refuse(self) -> None:
        """Let the models refuse new requests as ones to send elsewhere, and finish those that they have accepted."""
        self.drain_file.parent.mkdir(exist_ok=True)
        self.drain_file.touch()

    def is_alive(self) -> bool:
        """Whether the server's process is running."""
        return self._process is not None and self._process.poll() is None

    def death(self, *, oom_before: int | None = None) -> str | None:
        """Why the server's process ended, in one line; None while it runs.

        Args:
            oom_before: `deaths.oom_kills` from before.
        """
        code = None if self._process is None else self._process.poll()
        if code is None:
            return None
        return cause_of_death(code, self.log, start=self._log_start, oom_before=oom_before)

    def stop(self, *, at_once: bool = False) -> None:
        """Ask the server to end, then kill it, and remove its shared memory; stopping twice is fine.

        Args:
            at_once: kill it without asking: when it is asked, Triton answers NOT_FOUND until it has ended.
        """
        process, self._process = self._process, None
        if process is None:
            return
        self._ended_alive = process.poll() is None
        try:
            if not at_once:
                process.terminate()
                process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # it is killed below
        finally:  # also when a second Ctrl-C ends the wait
            # Processes of the Python backend are in the server's group; one that hangs would outlive it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            remove_shared_memory(self._prefix)
            if process.returncode:
                remove_empty_folders(self._started)

    def _forget_log(self) -> None:
        if self._temporary_log:
            self.log.unlink(missing_ok=True)

    def _check_repository(self) -> None:
        if not any(self._repository.glob("*/config.pbtxt")):
            raise ServerStartError(
                f"{self._repository} is not a model repository: none of its folders holds a config.pbtxt;"
                " create one with 'litho deploy'"
            )

    def _start(self, *, again: bool = False) -> None:
        environment = find()
        remove_stale_shared_memory()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        launch = [sys.executable, "-I", str(_LAUNCH), str(os.getpid()), str(environment.executable)]
        self._started = time.time()
        self.drain_file.parent.mkdir(exist_ok=True)
        self.drain_file.unlink(missing_ok=True)
        with self.log.open("ab" if again else "wb") as log, interrupts.held():
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                launch + self._options(environment.backends, again) + self._cache(environment.caches),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**environment.variables(), **self._variables()},
                # The Python backend splits paths at spaces, so it gets a relative one.
                cwd=self._repository,
                start_new_session=True,  # Ctrl-C in a terminal reaches the owner, which then stops the server
            )
        self._wait_until_ready(again)

    def _variables(self) -> dict[str, str]:
        required = {} if self._key is None else {KEY_VARIABLE: self._key.text}
        return {DRAIN_VARIABLE: str(self.drain_file), **required}

    def control(self) -> ServerControl:
        """A connection for whoever operates this server; close it."""
        return ServerControl(self.grpc_url, self.control_key)

    def _restricted(self) -> list[str]:
        # A page in any browser of this machine can send HTTP to loopback. Nobody gets the key of HTTP: the server is
        # operated over gRPC.
        options = [f"--http-restricted-api={_RESTRICTED}:{CONTROL_HEADER}={secrets.token_hex(16)}"]
        if self.control_key is not None:
            options.append(f"--grpc-restricted-protocol={_RESTRICTED}:{CONTROL_HEADER}={self.control_key}")
        return options

    def _options(self, backends: Path, again: bool) -> list[str]:
        addresses = [
            option
            for kind, port in self._ports.items()
            for option in (f"--{kind}-address={self._host}", f"--{kind}-port={port}")
        ]
        return [
            "--model-repository=.",
            f"--id={self.server_id}",
            "--model-control-mode=explicit",
            *self._restricted(),
            *(f"--load-model={name}" for name in served_models(self._repository)),
            f"--exit-on-error={str(not again).lower()}",
            f"--backend-directory={backends}",
            "--disable-auto-complete-config",
            "--exit-timeout-secs=10",
            *self._traces,
            f"--backend-config=python,shm-region-prefix-name={self._prefix}",
            *addresses,
        ]

    def _cache(self, libraries: Path) -> list[str]:
        """A response cache, if a deployment asks for one; without it such a model answers every request itself."""
        if not any(is_cached(self._repository / name) for name in served_models(self._repository)):
            return []
        return [f"--cache-config=local,size={_CACHE_BYTES}", f"--cache-directory={libraries}"]

    def _wait_until_ready(self, again: bool) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (code := self._process.poll()) is not None:
                raise ServerStartError(
                    f"the server ended while starting ({ending(code)}): {self._reason()}; see {self.log}"
                )
            answered = identity(self.http_url)
            if answered not in (None, self.server_id):
                raise ServerStartError(self._taken("http"))
            # A start after a death may lack a model; the metrics port is opened last.
            ready = answered is not None and (again or is_ready(self.http_url))
            if ready and listener(self._ports["metrics"]) == self._process.pid:
                return
            time.sleep(_POLL_SECONDS)
        raise ServerStartError(
            f"the server was not ready after {START_SECONDS:.0f} s: {decisive_line(self.log, self._log_start)};"
            f" see {self.log}"
        )

    def _reason(self) -> str:
        """Why it ended: a port that another process has, else the decisive line of the log."""
        line = decisive_line(self.log, self._log_start)
        if TAKEN in line or "bind" in line or "failed to start" in line:
            for kind, port in self._ports.items():
                if listener(port) is not None:
                    return self._taken(kind)
        return line

    def _taken(self, kind: str) -> str:
        port = self._ports[kind]
        return (
            f"port {port} for {kind} is {TAKEN} by {describe(listener(port))}; give another --{kind}-port, or omit it"
            " for a free one"
        )
