"""The embedded Triton server: starts and supervises a process, and removes everything that it leaves.

It serves an ordinary model repository on a machine without Docker or GPU. It is Triton 24.10, without many later
security fixes: use it for development, tests and demonstrations on loopback, and a current container in production.
"""

from __future__ import annotations

import errno
import http.client
import ipaddress
import itertools
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from ..bundle.keys import PublicKey
from ..errors import ServerError, ServerStartError, UsageError
from .configuration import ParseError, parse_config
from .environment import find
from .processes import describe, listener
from .trust import KEY_VARIABLE, check_repository

__all__ = ["EmbeddedServer", "serve"]

START_SECONDS = 120.0
STOP_SECONDS = 15.0
_ATTEMPTS = 3
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the kernel keeps POSIX shared memory
_BACKEND_FOLDERS = Path("/tmp")  # noqa: S108 - fixed in the Python backend, which ignores TMPDIR
_LAUNCH = Path(__file__).with_name("launch.py")
_POLL_SECONDS = 0.05
_NO_GPU = re.compile("CudaDriverHelper|NVML|DCGM")
"""Lines that every start on a machine without a GPU logs as errors."""

_CANARY_SUFFIX = "-canary"
_CANARY_SHARE = "litho_canary_share"
_TAKEN = "in use"
_HTTP_RESTRICTED = "model-repository,trace,logging"
"""What operates a server, as `--http-restricted-api` calls it."""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
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
        log: file for the server's output; by default a temporary file, which is kept only if the server failed.

    Attributes:
        http_url, metrics_url: such as "http://127.0.0.1:8000".
        grpc_url: such as "grpc://127.0.0.1:8001"; a model's endpoint is "<grpc_url>/<model>".
        process_id: of the server.
        server_id: the name that this server alone gives over its ports.
        log: file with the server's output.

    Raises:
        UsageError: a port is in use, the address is not loopback, or the key cannot be used.
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
        log: Path | None = None,
    ) -> None:
        self._repository = Path(repository)
        self._host = host
        self._given_ports = {"http": http_port, "grpc": grpc_port, "metrics": metrics_port}
        _check_host(host, allow_remote)
        self._key = None if require_signature is None else PublicKey.read(require_signature)
        self._temporary_log = log is None
        self.log = log or Path(tempfile.gettempdir()) / f"litho-server-{os.getpid()}-{next(_numbers)}.log"
        self.server_id = f"litho-{uuid.uuid4().hex}"
        self._prefix = f"litho-{os.getpid()}-{next(_numbers)}-"
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}
        self._started = 0.0  # seconds since the epoch

    def __repr__(self) -> str:
        state = f"{self.grpc_url}, {self.http_url}" if self.is_alive() else "not running"
        return f"<EmbeddedServer of {self._repository}, {state}>"

    @property
    def http_url(self) -> str:
        """Address of the HTTP endpoint."""
        return f"http://{_bracketed(self._host)}:{self._ports['http']}"

    @property
    def grpc_url(self) -> str:
        """Address of the gRPC endpoint."""
        return f"grpc://{_bracketed(self._host)}:{self._ports['grpc']}"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Addresses of all models, such as "grpc://127.0.0.1:8001/digits"."""
        return tuple(f"{self.grpc_url}/{name}" for name in served_models(self._repository))

    @property
    def metrics_url(self) -> str:
        """Address of the Prometheus metrics."""
        return f"http://{_bracketed(self._host)}:{self._ports['metrics']}/metrics"

    @property
    def process_id(self) -> int:
        """Process id of the server."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def __enter__(self) -> Self:
        self._check_repository()
        if self._key is not None:
            check_repository(self._repository, self._key)
        for attempt in range(_ATTEMPTS):
            self._ports = _ports(self._host, self._given_ports)
            try:
                self._start()
                return self
            except ServerStartError as error:
                self.stop()
                # Another process may take a free port before the server binds it.
                taken = _TAKEN in str(error) and None in self._given_ports.values()
                if not taken or attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                self.stop()
                self._forget_log()
                raise
        raise AssertionError("the last attempt returns or raises")

    def __exit__(self, *error: object) -> None:
        alive = self.is_alive()
        self.stop()
        if alive:
            self._forget_log()

    def is_alive(self) -> bool:
        """Whether the server's process is running."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> None:
        """Wait until the server dies or the caller is interrupted; never returns.

        Raises:
            ServerError: the server died; the message quotes the decisive line of the log.
        """
        assert self._process is not None, "the server was not started"
        code = self._process.wait()
        raise ServerError(f"the server died ({_ending(code)}): {_decisive_line(self.log)}; see {self.log}")

    def stop(self) -> None:
        """Ask the server to end, then kill it, and remove its shared memory; stopping twice is fine."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # it is killed below
        finally:  # also when a second Ctrl-C ends the wait
            # Processes of the Python backend are in the server's group; one that hangs would outlive it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for region in _SHARED_MEMORY.glob(f"{self._prefix}*"):
                region.unlink(missing_ok=True)
            if process.returncode:
                _remove_empty_folders(self._started)

    def _forget_log(self) -> None:
        if self._temporary_log:
            self.log.unlink(missing_ok=True)

    def _check_repository(self) -> None:
        if not any(self._repository.glob("*/config.pbtxt")):
            raise ServerStartError(
                f"{self._repository} is not a model repository: none of its folders holds a config.pbtxt;"
                " create one with 'litho deploy'"
            )

    def _start(self) -> None:
        environment = find()
        _remove_stale_shared_memory()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        launch = [sys.executable, "-I", str(_LAUNCH), str(os.getpid()), str(environment.executable)]
        self._started = time.time()
        with self.log.open("wb") as log, _undisturbed():
            self._process = subprocess.Popen(
                launch + self._options(environment.backends),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**environment.variables(), **self._required()},
                # The Python backend splits paths at spaces, so it gets a relative one.
                cwd=self._repository,
                start_new_session=True,  # Ctrl-C in a terminal reaches the owner, which then stops the server
            )
        self._wait_until_ready()

    def _required(self) -> dict[str, str]:
        return {} if self._key is None else {KEY_VARIABLE: self._key.text}

    def _options(self, backends: Path) -> list[str]:
        addresses = [
            option
            for kind, port in self._ports.items()
            for option in (f"--{kind}-address={self._host}", f"--{kind}-port={port}")
        ]
        return [
            "--model-repository=.",
            f"--id={self.server_id}",
            "--model-control-mode=explicit",
            # A page in any browser of this machine can send HTTP to loopback, and loading a model may bring code
            # along. Nobody gets this key: the server is operated over gRPC.
            f"--http-restricted-api={_HTTP_RESTRICTED}:litho-restricted={secrets.token_hex(16)}",
            *(f"--load-model={name}" for name in served_models(self._repository)),
            f"--backend-directory={backends}",
            "--disable-auto-complete-config",
            "--exit-timeout-secs=10",
            f"--backend-config=python,shm-region-prefix-name={self._prefix}",
            *addresses,
        ]

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (code := self._process.poll()) is not None:
                raise ServerStartError(
                    f"the server ended while starting ({_ending(code)}): {self._reason()}; see {self.log}"
                )
            answered = _identity(self.http_url)
            if answered not in (None, self.server_id):
                raise ServerStartError(self._taken("http"))
            # The metrics port is opened last.
            if (
                answered
                and _is_ready(self.http_url)
                and listener(self._ports["metrics"]) == self._process.pid
            ):
                return
            time.sleep(_POLL_SECONDS)
        raise ServerStartError(
            f"the server was not ready after {START_SECONDS:.0f} s: {_decisive_line(self.log)}; see {self.log}"
        )

    def _reason(self) -> str:
        """Why it ended: a port that another process has, else the decisive line of the log."""
        line = _decisive_line(self.log)
        if _TAKEN in line or "bind" in line or "failed to start" in line:
            for kind, port in self._ports.items():
                if listener(port) is not None:
                    return self._taken(kind)
        return line

    def _taken(self, kind: str) -> str:
        port = self._ports[kind]
        return (
            f"port {port} for {kind} is {_TAKEN} by {describe(listener(port))}; give another --{kind}-port, or omit it"
            " for a free one"
        )


def served_models(repository: Path) -> tuple[str, ...]:
    """Names of the models that a server of a repository loads, sorted.

    A canary that was never given a share of the requests is what an interrupted rollout left: it is not loaded.
    """
    names = sorted(config.parent.name for config in repository.glob("*/config.pbtxt"))
    return tuple(name for name in names if not _is_leftover(repository, name, names))


def _is_leftover(repository: Path, name: str, names: list[str]) -> bool:
    if not name.endswith(_CANARY_SUFFIX) or name.removesuffix(_CANARY_SUFFIX) not in names:
        return False
    try:
        config = parse_config((repository / name / "config.pbtxt").read_text(encoding="utf-8"))
    except (OSError, ValueError, ParseError):
        return True
    return not config.parameters[_CANARY_SHARE].string_value


def serve(server: EmbeddedServer, ready: Callable[[EmbeddedServer], None]) -> None:
    """Serve in the foreground until Ctrl-C or SIGTERM.

    Args:
        server: not yet entered.
        ready: called once, when the server answers requests.

    Raises:
        ServerStartError, ServerError: as `EmbeddedServer`, or the server died while serving.
    """
    with suppress(KeyboardInterrupt), server:
        ready(server)
        server.wait()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the new process has a handle by which it can be stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    held: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: held.append(number)) for number in _STOP_SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in held:
            signal.raise_signal(number)


def _check_host(host: str, allow_remote: bool) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise UsageError(f"host {host!r} is not an IP address; give one such as 127.0.0.1") from None
    if not loopback and not allow_remote:
        raise UsageError(
            f"other machines can reach host {host}, and this server lacks later security fixes;"
            " keep 127.0.0.1, use a current container, or insist with --allow-remote"
        )


def _ports(host: str, given: dict[str, int | None]) -> dict[str, int]:
    """The given ports, and free ones for the others; all are bound at once, so no two are equal."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as stack:
        chosen: dict[str, int] = {}
        for kind, port in given.items():
            held = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                held.bind((host, port or 0))
            except (OSError, OverflowError) as error:
                raise UsageError(
                    f"port {port} for {kind} is not available on {host}"
                    f" ({_why_not_bound(error, port)});"
                    f" give another --{kind}-port, or omit it for a free one"
                ) from None
            chosen[kind] = held.getsockname()[1]
        return chosen


def _identity(http_url: str) -> str | None:
    """The name that whatever answers at this address gives; "" if it is no Triton server, None if nothing answers."""
    try:
        with _open(f"{http_url}/v2") as answer:
            return str(json.load(answer)["name"])
    except (urllib.error.HTTPError, ValueError, KeyError, TypeError):
        return ""
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return None


def _is_ready(http_url: str) -> bool:
    try:
        with _open(f"{http_url}/v2/health/ready") as answer:
            return answer.status == 200
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False


def _open(url: str) -> Any:
    # Ignore proxies of the environment: the server is on this machine.
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5)


def _decisive_line(log: Path) -> str:
    """The most useful line of the log: why a model did not load, else the first error."""
    with suppress(OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if not _NO_GPU.search(line)]
        for pattern in (
            r"UNAVAILABLE: (?:Internal: |Invalid argument: )?(?:TritonModelException: )?(.*?)\s*\|?$",
            r"^E\d{4} .*?\] (.*)$",
            r"error: (.*)$",
        ):
            for line in lines:
                if match := re.search(pattern, line):
                    return match[1].strip('" ')
        if lines:
            return lines[-1]
    return "its log is empty"


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _why_not_bound(error: OSError | OverflowError, port: int | None) -> str:
    if getattr(error, "errno", None) == errno.EADDRINUSE and port is not None:
        return f"{_TAKEN} by {describe(listener(port))}"
    return str(getattr(error, "strerror", None) or error)


def _remove_empty_folders(since: float) -> None:
    """Remove the folder for packed environments, which a killed Python backend leaves behind.

    Litho packs no environment: its folder is empty, and a folder with files belongs to another program.
    """
    for folder in _BACKEND_FOLDERS.glob("python_env_??????"):
        with suppress(OSError):
            if folder.stat().st_mtime >= since:
                folder.rmdir()


def _remove_stale_shared_memory() -> None:
    """Remove shared memory of servers whose owner was killed."""
    for region in _SHARED_MEMORY.glob("litho-*-*"):
        owner = re.match(r"litho-(\d+)-", region.name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            region.unlink(missing_ok=True)
