"""The state of a supervised server: health, and figures in Prometheus' text form, over HTTP on this machine."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from ...errors import UsageError
from .addresses import TAKEN
from .processes import describe, listener

__all__ = ["Status", "StatusEndpoint"]

_HELP = {
    "litho_up": ("gauge", "1 while the server's process runs and has its ports."),
    "litho_ready": ("gauge", "1 while every instance of every model answers and new requests are accepted."),
    "litho_draining": ("gauge", "1 while the server shuts down."),
    "litho_in_hand": ("gauge", "Requests that the models have accepted and not answered."),
    "litho_uptime_seconds": ("gauge", "Seconds since the supervisor started."),
    "litho_last_recovery_seconds": (
        "gauge",
        "Seconds that the last restart took, from the death that was noticed.",
    ),
    "litho_restarts_total": ("counter", "Restarts of the server after its death."),
    "litho_dead_instances_total": ("counter", "Instances whose process died while the server lived."),
    "litho_hung_instances_total": ("counter", "Instances that were ended because they stood still."),
    "litho_reloads_total": ("counter", "Models that were loaded anew because of a dead or silent instance."),
    "litho_canary_failures_total": ("counter", "Requests of the supervisor that a model did not answer."),
    "litho_canary_seconds": ("gauge", "Time of the last answer to a request of the supervisor."),
    "litho_lost_events_total": ("counter", "Lines of the log that could not be written."),
}
_PLAIN = "text/plain; version=0.0.4; charset=utf-8"


class Status:
    """What is known of the server; threads may share it.

    Attributes:
        up: whether the server's process runs.
        draining: whether the server is shutting down.
        restarts: after a death.
        last_recovery_seconds: of the last restart.
        in_hand, lost_events: called for the present figure.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._canary_seconds: dict[str, float] = {}
        self._problems: dict[str, str] = {}
        self.up = self.draining = False
        self.restarts = 0
        self.last_recovery_seconds = 0.0
        self.in_hand: Callable[[], int] = lambda: 0
        self.lost_events: Callable[[], int] = lambda: 0

    def count(self, name: str, model: str) -> None:
        """Add one to a counter of a model, such as "litho_reloads_total"."""
        with self._lock:
            self._counts[name, model] += 1

    def answered(self, model: str, seconds: float) -> None:
        """A model answered the supervisor's request."""
        with self._lock:
            self._canary_seconds[model] = seconds

    def problem(self, model: str, cause: str) -> bool:
        """Something keeps a model from being ready; True if this is news."""
        with self._lock:
            news = self._problems.get(model) != cause
            self._problems[model] = cause
            return news

    def solved(self, model: str) -> bool:
        """Nothing keeps a model from being ready; True if something did."""
        with self._lock:
            return self._problems.pop(model, None) is not None

    def problems(self) -> dict[str, str]:
        """What keeps the server from being ready: model, or "server" -> cause, one line."""
        with self._lock:
            found = dict(self._problems)
        if not self.up:
            found.setdefault("server", "its process does not run")
        if self.draining:
            found["server"] = "it is shutting down"
        return found

    def metrics(self) -> str:
        """All figures in Prometheus' text form."""
        plain = {
            "litho_up": int(self.up),
            "litho_ready": int(not self.problems()),
            "litho_draining": int(self.draining),
            "litho_in_hand": self.in_hand(),
            "litho_uptime_seconds": round(time.monotonic() - self._started, 3),
            "litho_last_recovery_seconds": round(self.last_recovery_seconds, 3),
            "litho_restarts_total": self.restarts,
            "litho_lost_events_total": self.lost_events(),
        }
        with self._lock:
            labelled = {
                **self._counts,
                **{("litho_canary_seconds", model): value for model, value in self._canary_seconds.items()},
            }
        lines = []
        for name, (kind, words) in _HELP.items():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
            if name in plain:
                lines.append(f"{name} {plain[name]}")
            lines += [
                f'{name}{{model="{_escaped(model)}"}} {value}'
                for (one, model), value in sorted(labelled.items())
                if one == name
            ]
        return "\n".join(lines) + "\n"


class StatusEndpoint:
    """Answers /metrics, /health/live and /health/ready on this machine while the `with` block runs.

    Args:
        status: what is reported.
        port: by default a free one.

    Attributes:
        url: such as "http://127.0.0.1:8003".

    Raises:
        UsageError: on entering, the port is in use.
    """

    def __init__(self, status: Status, port: int | None = None) -> None:
        self._status, self._port = status, port or 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Its address."""
        assert self._server is not None, "the endpoint was not entered"
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"status": self._status})
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            if (pid := listener(self._port)) is not None:
                reason = f"{TAKEN} by {describe(pid)}"
            raise UsageError(
                f"port {self._port} for the supervisor's health and metrics is not available ({reason});"
                " give another --health-port, or omit it for a free one"
            ) from None
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    status: Status
    timeout = 10  # seconds; a client that sends nothing must not hold a thread

    def do_GET(self) -> None:
        """Answer one question."""
        match self.path.partition("?")[0]:
            case "/metrics":
                self._reply(200, self.status.metrics(), _PLAIN)
            case "/health/live":
                self._reply(200, _document({"live": True}))
            case "/health/ready":
                problems = self.status.problems()
                self._reply(
                    503 if problems else 200, _document({"ready": not problems, "problems": problems})
                )
            case _:
                self._reply(404, _document({"paths": ["/metrics", "/health/live", "/health/ready"]}))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a probe asks every few seconds."""

    def _reply(self, code: int, text: str, kind: str = "application/json") -> None:
        content = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _document(values: Mapping[str, object]) -> str:
    return json.dumps(values)


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
