"""Keeps the models of a running server answering: canary requests, and reloads of models with a dead instance.

Triton never restarts the process of an instance. Loading the model anew with a changed parameter makes it start new
instances first and then drop the old ones, so that no request is lost but those that the dead process had in hand.
"""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import EndpointBusy, EndpointError, LithoError, ServerError
from ...signature import Signature
from ...signature.fields import Role
from ..clients.client import Client
from .backoff import Backoff
from .embedded import EmbeddedServer
from .events import Event, Level, Listener
from .loading import LoadWatch
from .processes import Stub
from .served_models import served_models
from .status import Status
from .watch import Fault, Watch

__all__ = ["RELOAD_PARAMETER", "Upkeep", "canary_inputs"]

RELOAD_PARAMETER = "litho_reload"
"""Parameter of a configuration whose only use is to differ, so that Triton loads the model anew."""

_CENSUS_SECONDS = 2.0
_HEALTHY_SECONDS = 60.0
_FAILURES_TO_RELOAD = 2
_NOT_LITHO = "was not deployed by litho"
_UNLOADED = "unloaded"
"""What Triton says of a model that somebody unloaded on purpose."""


@dataclass
class _Model:
    """What is known of one model."""

    due: float = 0.0  # when it gets its next canary
    seed: int = 0
    failures: int = 0
    broken: str = ""  # why it must be loaded anew
    missing: str = ""  # why it is not loaded at all
    untestable: bool = False  # litho did not deploy it: nobody knows what to ask
    not_before: float = 0.0
    asked: float = float("-inf")  # when its last canary left
    loaded: float = float("-inf")
    loading: LoadWatch | None = None  # of the load that runs
    backoff: Backoff = field(default_factory=lambda: Backoff(first_seconds=1.0, longest_seconds=60.0))
    jobs: dict[str, Future[Any]] = field(default_factory=dict)


class Upkeep:
    """Looks after the models of one running server process.

    Args:
        server: running.
        repository: that it serves.
        status: is kept true.
        tell: called with every event.
        canary_seconds: time between two requests to a model; 0 for none.
        deadline_seconds: longest time that such a request may take.
        hung_seconds: as `Watch` takes it.
        grace_seconds: an old instance that is still there so long after its model was loaded anew is ended.
        load_idle_seconds: a load whose new instances do nothing for so long is ended, and tried again; if it does not
            end without them within four times as long, the server is killed, for whoever restarts it.
    """

    def __init__(  # noqa: PLR0913
        self,
        server: EmbeddedServer,
        repository: Path,
        status: Status,
        tell: Listener,
        *,
        canary_seconds: float = 5.0,
        deadline_seconds: float = 10.0,
        hung_seconds: float = 10.0,
        grace_seconds: float = 30.0,
        load_idle_seconds: float = 30.0,
    ) -> None:
        self._server, self._repository, self._status, self._tell = server, repository, status, tell
        self._canary_seconds, self._deadline_seconds = canary_seconds, deadline_seconds
        self._grace_seconds, self._load_idle_seconds = grace_seconds, load_idle_seconds
        self._watch = Watch(server.process_id, server.drain_file, hung_seconds=hung_seconds)
        self._models: dict[str, _Model] = {}
        self._retired: list[tuple[float, Stub]] = []
        self._census_due = 0.0
        self._census: Future[dict[str, str]] | None = None
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="litho-upkeep")

    def close(self) -> None:
        """Begin nothing more; what runs ends with the server or at its deadline."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def in_hand(self) -> dict[str, int]:
        """Requests that the models have accepted and not answered, by model; models without any are left out."""
        found: dict[str, int] = {}
        records = self._watch.records()
        for stub in self._watch.instances():
            if stub.pid in records and records[stub.pid].in_hand > 0:
                found[stub.model] = found.get(stub.model, 0) + records[stub.pid].in_hand
        return found

    def tick(self) -> None:
        """Look once, and do what is due; returns at once."""
        now = time.monotonic()
        for fault in self._watch.look():
            self._found(fault)
        self._end_retired(now)
        self._take_census(now)
        for name, model in list(self._models.items()):
            self._collect(name, model, now)
            if (model.broken or model.missing) and "load" not in model.jobs and now >= model.not_before:
                self._begin_load(name, model, now)
            self._end_hung_load(name, model)
            if (
                self._canary_seconds
                and now >= model.due
                and "canary" not in model.jobs
                and not model.untestable
            ):
                model.asked, model.due = now, now + self._canary_seconds
                model.seed += 1
                model.jobs["canary"] = self._pool.submit(self._ask, name, model.seed)

    def _found(self, fault: Fault) -> None:
        stub = fault.stub
        model = self._models.setdefault(stub.model, _Model())
        if fault.kind == "hung":
            event, counter, words = "instance-hung", "litho_hung_instances_total", "stands still"
            self._watch.end(stub, expected=True)
        else:
            event, counter, words = "instance-died", "litho_dead_instances_total", "died"
        self._status.count(counter, stub.model)
        self._say(event, "error", stub.model, f"an instance of {stub.model} {words}", fault.cause)
        model.broken = f"an instance {words}: {fault.cause}"
        self._status.problem(stub.model, model.broken)

    def _begin_load(self, name: str, model: _Model, now: float) -> None:
        old = [] if model.missing else [one for one in self._watch.instances() if one.model == name]
        model.loading = LoadWatch(self._server.process_id, name, old, idle_seconds=self._load_idle_seconds)
        model.jobs["load"] = self._pool.submit(self._load, name, not model.missing)
        self._retired += [(now + self._grace_seconds, one) for one in old]

    def _end_hung_load(self, name: str, model: _Model) -> None:
        if "load" not in model.jobs or model.loading is None:
            return
        for stub in model.loading.hung(self._watch.instances()):
            self._watch.end(stub, expected=True)
            cause = f"it did nothing for {self._load_idle_seconds:.0f} s while its model was loaded"
            self._status.count("litho_hung_instances_total", name)
            self._say("instance-hung", "error", name, f"a new instance of {name} stands still", cause)
        if model.loading.is_stuck:
            model.loading = None
            words = f"the server does not end the load of {name} and is killed"
            self._say("server-stuck", "error", name, words, "no new instance is left")
            with suppress(ProcessLookupError):
                os.kill(self._server.process_id, signal.SIGKILL)

    def _end_retired(self, now: float) -> None:
        for due, stub in [one for one in self._retired if one[0] <= now]:
            self._retired.remove((due, stub))
            # With requests in hand when one instance died, Triton waits for ever for the old instances of its model.
            if stub in self._watch.instances():
                self._watch.end(stub, expected=True)

    def _take_census(self, now: float) -> None:
        if self._census is None and now >= self._census_due:
            self._census_due = now + _CENSUS_SECONDS
            self._census = self._pool.submit(self._missing)
        if self._census is None or not self._census.done():
            return
        census, self._census = self._census, None
        if census.exception() is not None:  # the server is gone or busy, which others notice
            return
        missing = census.result()
        for name in [one for one in self._models if one not in missing]:
            del self._models[name]  # it was taken out of the repository
            self._status.solved(name)
        for name, reason in missing.items():
            model = self._models.setdefault(name, _Model(due=now + self._canary_seconds))
            if not reason and model.missing and "load" not in model.jobs:
                self._mended(name, model)  # by somebody else
            if reason and model.missing != reason:
                model.missing = reason
                self._status.problem(name, reason)
                self._say("model-missing", "error", name, f"{name} is not served", reason)

    def _missing(self) -> dict[str, str]:
        """Models of the repository -> why they are not served; empty for those that are."""
        with self._server.control() as control:
            states = control.index()
        found = {}
        for name in served_models(self._repository):
            own = [state for state in states if state.model == name]
            failed = [one.reason for one in own if one.state == "UNAVAILABLE" and one.reason != _UNLOADED]
            ready = any(one.state in ("READY", "LOADING") for one in own)
            found[name] = _plain(failed[0]) if failed and not ready else ""
        return found

    def _collect(self, name: str, model: _Model, now: float) -> None:
        for kind in [kind for kind, job in model.jobs.items() if job.done()]:
            job = model.jobs.pop(kind)
            if job.cancelled():
                continue
            error = job.exception()
            if error is not None and not isinstance(error, LithoError):
                error = ServerError(f"{type(error).__name__}: {error}")  # whatever it is, serving goes on
            if kind == "load":
                self._loaded(name, model, error, now)
            else:
                self._answered(name, model, error, job)

    def _load(self, name: str, anew: bool) -> None:
        with self._server.control() as control:
            if not anew:
                control.load(name)
                return
            config = control.model_config(name)
            config.parameters[RELOAD_PARAMETER].string_value = str(time.time_ns())
            control.load(name, config)

    def _loaded(self, name: str, model: _Model, error: LithoError | None, now: float) -> None:
        if error is not None:
            delay = model.backoff.next()
            model.not_before = now + delay
            cause = str(error)
            if self._status.problem(name, cause):
                self._say("reload-failed", "error", name, f"{name} could not be loaded", cause)
            return
        self._status.count("litho_reloads_total", name)
        model.failures = 0
        if now - model.loaded > _HEALTHY_SECONDS:
            model.backoff.reset()
        # One that dies again and again must not keep the machine busy with loading.
        model.loaded, model.not_before = now, now + model.backoff.next()
        cause = model.broken or model.missing
        self._mended(name, model)
        # Last: who hears of it finds the server healthy.
        self._say("model-reloaded", "info", name, f"{name} was loaded anew", cause)

    def _mended(self, name: str, model: _Model) -> None:
        model.broken = model.missing = ""
        self._status.solved(name)

    def _ask(self, name: str, seed: int) -> float:
        """Seconds until the model answered, or -1 if it was too busy to be asked, or is unloaded."""
        if self._was_unloaded(name):
            return -1.0  # a request would be tried until its deadline
        before, started = self._count_answered(name), time.monotonic()
        try:
            with Client(f"{self._server.grpc_url}/{name}", timeout_seconds=self._deadline_seconds) as client:
                client.run(canary_inputs(client.signature, seed))
        except EndpointBusy:
            return -1.0
        except EndpointError as error:
            if self._count_answered(name) > before and time.monotonic() - started >= self._deadline_seconds:
                return -1.0  # it answers others: a long queue
            if self._was_unloaded(name):
                return -1.0
            raise error from None
        return time.monotonic() - started

    def _was_unloaded(self, name: str) -> bool:
        """Whether the server has no such model, or somebody unloads it, as a rollout does with a candidate."""
        try:
            with self._server.control() as control:
                own = [state for state in control.index() if state.model == name]
        except LithoError:
            return False
        return all(state.state == "UNLOADING" or state.reason == _UNLOADED for state in own)

    def _count_answered(self, name: str) -> int:
        records = self._watch.records()
        return sum(
            records[stub.pid].answered
            for stub in self._watch.instances()
            if stub.model == name and stub.pid in records
        )

    def _answered(self, name: str, model: _Model, error: LithoError | None, job: Future[float]) -> None:
        if error is None:
            model.failures = 0
            if job.result() >= 0:
                self._status.answered(name, job.result())
            if not model.broken and not model.missing:
                self._status.solved(name)
            return
        if _NOT_LITHO in str(error):
            model.untestable = True
            return
        if not self._server.is_alive() or model.missing:
            return
        if model.asked < model.loaded:  # lost with an instance that has been replaced since
            return
        model.failures += 1
        self._status.count("litho_canary_failures_total", name)
        if self._status.problem(name, str(error)):
            self._say("canary-failed", "warning", name, f"{name} did not answer", str(error))
        if model.failures >= _FAILURES_TO_RELOAD and not model.broken:
            model.broken = str(error)

    def _say(self, event: str, level: Level, model: str, message: str, cause: str) -> None:
        self._tell(Event(event, message, level, model, cause))


def _plain(reason: str) -> str:
    """Triton's reason in one line, without the names of its classes and of its files."""
    line = " ".join(reason.split()).partition(" At: /")[0]
    return line.removeprefix("Internal: ").removeprefix("TritonModelException: ")


def canary_inputs(signature: Signature, seed: int) -> dict[str, Any]:
    """Inputs of one cheap picture, as users send them.

    Args:
        signature: of the model.
        seed: changes the picture, so that no cache answers.
    """
    inputs = signature.example(1, seed)
    steps = signature.field(Role.STEPS)
    if steps is not None and steps.minimum is not None:
        inputs[steps.name] = inputs[steps.name] * 0 + int(steps.minimum)
    return inputs
