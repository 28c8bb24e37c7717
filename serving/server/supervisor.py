"""Serving that stays up: restarts a dead server, keeps its models answering, and ends it without a lost request."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ... import interrupts
from ...errors import LithoError, ServerError
from ..backend.in_hand import read_records
from ..control.advertisement import Advertisement
from .backoff import Attempts, Backoff
from .deaths import oom_kills
from .embedded import EmbeddedServer
from .events import Event, Level, Listener
from .processes import stubs_of
from .status import Status, StatusEndpoint
from .upkeep import Upkeep

__all__ = ["Policy", "Supervisor"]

_POLL_SECONDS = 0.1
_SETTLE_SECONDS = 0.3
"""Answers that models have given are on their way to the clients for a moment."""


@dataclass(frozen=True)
class Policy:
    """How a server is looked after.

    Args:
        restarts: that are allowed within `window_seconds`; with 0 the first death ends the supervision.
        window_seconds: see above.
        first_delay_seconds, longest_delay_seconds: before a restart; the delay doubles from one death to the next.
        healthy_seconds: a server that lived so long starts with the first delay again.
        canary_seconds: time between two requests of the supervisor to a model; 0 for none.
        hung_seconds: an instance with work in hand that does nothing for so long is replaced.
        drain_seconds: longest time to finish accepted requests at the end.
    """

    restarts: int = 10
    window_seconds: float = 600.0
    first_delay_seconds: float = 0.2
    longest_delay_seconds: float = 30.0
    healthy_seconds: float = 60.0
    canary_seconds: float = 5.0
    hung_seconds: float = 10.0
    drain_seconds: float = 30.0


class Supervisor:
    """Runs an embedded server until it is asked to end.

        >>> supervisor = Supervisor(EmbeddedServer("models"), "models", listeners=[print])
        >>> supervisor.run(lambda: print(supervisor.server.grpc_url))

    Args:
        server: not yet entered.
        repository: that it serves; a file in it says which server that is while it runs.
        policy: how it is looked after.
        listeners: called with every event.
        health_port: of the endpoint for health and metrics; by default a free one.

    Attributes:
        server: that is looked after.
        status: its state.
        url: address of the endpoint for health and metrics, while it runs.
        before_drain: called at the end, before new requests are refused: a gateway finishes those that it has.
    """

    def __init__(
        self,
        server: EmbeddedServer,
        repository: Path | str,
        *,
        policy: Policy | None = None,
        listeners: tuple[Listener, ...] = (),
        health_port: int | None = None,
    ) -> None:
        self.server, self.status = server, Status()
        self.before_drain: Callable[[], object] = lambda: None
        self._repository = Path(repository)
        self._policy = policy or Policy()
        self._listeners = listeners
        self._endpoint = StatusEndpoint(self.status, health_port)
        self._attempts = Attempts(self._policy.restarts, self._policy.window_seconds)
        self._backoff = Backoff(self._policy.first_delay_seconds, self._policy.longest_delay_seconds)
        self._upkeep: Upkeep | None = None
        self._advertisement: Advertisement | None = None
        self._alive_since = 0.0
        self._oom_kills: int | None = None

    @property
    def url(self) -> str:
        """Address of the endpoint for health and metrics."""
        return self._endpoint.url

    def run(self, ready: Callable[[], object]) -> None:
        """Serve in the foreground until Ctrl-C or SIGTERM, which end it after a drain; a second one ends it at once.

        Args:
            ready: called once, when the server answers requests.

        Raises:
            ServerStartError: the first start failed.
            ServerError: the server died too often; the message has the last cause.
            UsageError: the port for health and metrics is in use.
        """
        with _ends_with_an_interrupt(), ExitStack() as stack:
            stack.enter_context(self._endpoint)
            stack.enter_context(self.server)
            stack.callback(self._end)
            self._begin()
            self._advertise()
            ready()
            try:
                self._watch()
            except KeyboardInterrupt:
                interrupts.taken()
                self._drain()

    def _watch(self) -> None:
        while True:
            if (cause := self.server.death(oom_before=self._oom_kills)) is not None:
                self._revive(cause)
            assert self._upkeep is not None
            self._upkeep.tick()
            if time.monotonic() - self._alive_since > self._policy.healthy_seconds:
                self._backoff.reset()
            time.sleep(_POLL_SECONDS)

    def _begin(self) -> None:
        """A server process answers: look after it."""
        self._oom_kills = oom_kills()
        self._alive_since = time.monotonic()
        self.status.up = True
        self.status.in_hand = self.server.in_hand
        self._upkeep = Upkeep(
            self.server,
            self._repository,
            self.status,
            self.tell,
            canary_seconds=self._policy.canary_seconds,
            hung_seconds=self._policy.hung_seconds,
            grace_seconds=self._policy.drain_seconds,
        )

    def _revive(self, cause: str) -> None:
        """Start the dead server again, as often as the policy allows."""
        died = time.monotonic()
        assert self._upkeep is not None
        if held := self._upkeep.in_hand():
            cause += (
                f"; in hand were {', '.join(f'{count} of {name}' for name, count in sorted(held.items()))}"
            )
        self._upkeep.close()
        self.status.up = False
        self._say("server-died", "error", "the server died", cause)
        while True:
            if not self._attempts.allow():
                raise ServerError(self._gave_up(cause))
            time.sleep(self._backoff.next())
            try:
                self.server.restart()
                break
            except LithoError as error:
                cause = str(error)
            except OSError as error:  # such as a repository that is gone, or a full disk
                cause = f"{error.filename or 'the server'}: {error.strerror or error}"
            self._say("restart-failed", "error", "the server could not be restarted", cause)
        seconds = time.monotonic() - died
        self.status.restarts += 1
        self.status.last_recovery_seconds = seconds
        self._begin()
        self._say(
            "server-restarted",
            "info",
            f"the server answers again after {seconds:.1f} s",
            seconds=round(seconds, 3),
            pid=self.server.process_id,
        )

    def _gave_up(self, cause: str) -> str:
        if not self._policy.restarts:
            return f"the server died ({cause}); see {self.server.log}"
        return (
            f"the server died and was restarted {self._attempts.count} times within"
            f" {self._policy.window_seconds:.0f} s, the last time it died of: {cause}; see {self.server.log}"
        )

    def _advertise(self) -> None:
        self._advertisement = Advertisement(
            id=self.server.server_id,
            pid=os.getpid(),
            grpc=self.server.grpc_url,
            http=self.server.http_url,
            metrics=self.server.metrics_url,
            key=self.server.control_key,
        )
        try:
            self._advertisement.write(self._repository)
        except OSError as error:
            self._advertisement = None
            self._say(
                "not-advertised",
                "warning",
                f"'litho deploy' to {self._repository} needs --server {self.server.grpc_url}",
                f"the repository cannot be written ({error.strerror or error})",
            )

    def _withdraw(self) -> None:
        advertisement, self._advertisement = self._advertisement, None
        if advertisement is not None:
            with suppress(OSError):
                advertisement.remove(self._repository)

    def _drain(self) -> None:
        """Refuse new requests, finish the accepted ones, and end the server when nothing is in hand."""
        self._withdraw()
        self.status.draining = True
        self.before_drain()
        started = time.monotonic()
        if self._upkeep is not None:
            self._upkeep.close()
        if not self.server.is_alive():
            return
        self.server.refuse()
        self._say("draining", "info", "shutting down", in_hand=self.server.in_hand())
        self._unload_those_without_records()
        deadline, quiet = started + self._policy.drain_seconds, time.monotonic()
        while (now := time.monotonic()) < deadline and self.server.is_alive():
            if left := self.server.in_hand():
                quiet = now
            elif now - quiet >= _SETTLE_SECONDS:
                break
            time.sleep(0.02)
        left = self.server.in_hand()
        self.server.stop(at_once=True)
        seconds = time.monotonic() - started
        if left:
            self._say(
                "drain-timeout",
                "warning",
                f"{left} accepted requests were not finished within {seconds:.0f} s",
                in_hand=left,
            )
        self._say("stopped", "info", f"stopped after {seconds:.1f} s", seconds=round(seconds, 3))

    def _unload_those_without_records(self) -> None:
        """Models of other tools and of an older litho do not know of the drain: Triton lets them finish."""
        known = read_records(self.server.drain_file)
        others = {
            stub.model
            for stub in stubs_of(self.server.process_id)
            if stub.pid not in known and stub.state != "Z"
        }
        with self.server.control() as control, suppress(LithoError):
            for name in sorted(others):
                control.unload(name, timeout_seconds=self._policy.drain_seconds)

    def _end(self) -> None:
        """Whatever happened, nothing is left; the server is not asked, as it would answer NOT_FOUND until it ends."""
        self._withdraw()
        if self._upkeep is not None:
            self._upkeep.close()
        self.server.stop(at_once=True)

    def _say(self, event: str, level: Level, message: str, cause: str = "", **values: float | str) -> None:
        self.tell(Event(event, message, level, "", cause, values))

    def tell(self, event: Event) -> None:
        """Pass an event on to the listeners."""
        for listener in self._listeners:
            listener(event)


@contextmanager
def _ends_with_an_interrupt() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        interrupts.taken()
