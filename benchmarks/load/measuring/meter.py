"""Measure one window after the other: from processes of their own at an endpoint, else in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import EndpointError, UsageError
from ....runners import Runner
from ....runners.triton import Runner as TritonRunner
from ....signature.fields import Role
from ..documents.measurement import Measurement, Picked
from ..documents.resources import Resources
from ..documents.windows import Load
from ..generator import Kind, Outcomes, Picks, Plan, Running, Site
from ..scenarios import Scenario
from .here import measure_here, statistics_of
from .in_flight import STALL_SECONDS, overlaps
from .mix import Mix
from .probing import Gauge, Probes
from .requests import Requests

__all__ = ["Meter"]

KINDS = 64
"""Kinds of requests of one window, which take turns; the seed of every request is its own."""
MOST_KINDS, MOST_KIND_BYTES = 1024, 16 << 20
"""Kinds for a generator without a seed, whose requests would otherwise be alike too soon."""

USUAL_EVERY, MOST_EVERY = 8, 50
"""One of so many requests is a probe: at first, and later at most."""
WANTED_PROBES = 64
"""Probes that a window should have, if it has twice as many requests."""

DRAIN_SECONDS = 10.0
"""After the window of an open loop, requests that wait in the server are given up after so long."""


class Meter:
    """Measures a runner under loads of one scenario.

    Args:
        runner: the measured runner.
        requests: source of the inputs.
        scenario: when requests leave.
        http: HOST:PORT of the endpoint's HTTP, which is used in place of gRPC.
        mix: kinds of requests; None for requests that differ in nothing but values.
        preview_every: steps between two previews of a model that streams; 0 for none.
        stall_seconds: longest wait for any answer before the endpoint counts as dead.

    Raises:
        UsageError: something does not go with the runner.
    """

    def __init__(  # noqa: PLR0913
        self,
        runner: Runner,
        requests: Requests,
        scenario: Scenario,
        *,
        http: str | None = None,
        mix: Mix | None = None,
        preview_every: int = 0,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._stall_seconds = stall_seconds
        self._runner, self._requests, self._scenario = runner, requests, scenario
        self._preview_every = preview_every
        rows = scenario.requests()
        if rows and mix is not None:
            raise UsageError("the trace says what each request asks for; leave out --mix")
        self._mix = Mix(rows, (1.0,) * len(rows), in_order=True) if rows else mix
        self._site = Site.of(runner, http) if isinstance(runner, TritonRunner) else None
        self._generator = np.random.default_rng(requests.first_seed)
        if self._site is None and (scenario.rated or self._mix or http or preview_every):
            raise UsageError(
                f"{runner.description} is measured in this process, one request after the other; --scenario"
                f" {scenario.name}, --mix, --http and previews need an endpoint such as grpc://HOST:PORT/MODEL"
            )
        if preview_every and self._site is not None and self._site.transport != "streamed":
            raise UsageError(
                f"{runner.description} does not stream; previews need a sampler deployed in flight"
            )

    @property
    def overlaps(self) -> bool:
        """Whether several requests can be in flight."""
        return overlaps(self._runner)

    def take(
        self,
        load: Load,
        *,
        warmup_seconds: float,
        seconds: float,
        probes: Probes | None = None,
        gauge: Gauge | None = None,
    ) -> Measurement:
        """Load the runner and measure one window; nothing is in flight when it returns.

        The load runs first for the warm-up. In a closed loop, warm-up and window each last until as many requests
        have ended as are in flight: a slow model gets a longer window. A request belongs to the window in which it
        ends.

        Args:
            load: requests in flight or their rate, and pictures in a request.
            warmup_seconds: duration of the load before the window opens.
            seconds: shortest length of the window.
            probes: inputs that some requests have, and whose pictures come back.
            gauge: reads what the window uses.

        Raises:
            LithoError: no request of the window succeeded, or the runner stopped answering.
        """
        if self._site is None:
            return measure_here(
                self._runner,
                self._requests,
                load,
                warmup_seconds=warmup_seconds,
                seconds=seconds,
                probes=probes,
                gauge=gauge,
                stall_seconds=self._stall_seconds,
            )
        kinds = self._kinds(load)
        picks, numbers = None, list[NDArray[np.int64]]()
        if probes is not None:
            given, numbers = probes.parts(load.batch)
            picks = Picks(USUAL_EVERY, [Kind(inputs) for inputs in given])
        times = None
        if load.rate is not None:
            times = self._scenario.times(load.rate, warmup_seconds + seconds, self._generator)
        plan = Plan(
            kinds,
            first_seed=self._requests.first_seed + self._requests.pictures,
            in_flight=load.concurrency,
            times=times,
            picks=picks,
        )
        with Running(plan, self._site, self._stall_seconds) as running:
            window = _Window(running, self._runner, load, gauge)
            window.measure(warmup_seconds, seconds)
            outcomes = running.end(None if times is None else DRAIN_SECONDS)
        self._requests.pictures += len(outcomes.began) * max(kind.rows for kind in kinds)
        return window.measurement(outcomes, plan, self._steps(kinds, picks, outcomes), numbers)

    def _kinds(self, load: Load) -> list[Kind]:
        if self._mix is not None:
            count = len(self._mix.kinds) if self._mix.in_order else KINDS
            drawn = self._mix.draw(self._runner.signature, count, load.batch, self._generator)
        else:
            first = self._requests.take(load.batch)
            size = sum(array.nbytes for array in first.values())
            most = min(MOST_KINDS, max(1, MOST_KIND_BYTES // max(1, size)))
            count = min(KINDS, most) if self._runner.signature.field(Role.SEED) else most
            drawn = [first, *(self._requests.take(load.batch) for _ in range(count - 1))]
        return [Kind(inputs, self._preview_every) for inputs in drawn]

    def _steps(
        self, kinds: Sequence[Kind], picks: Picks | None, outcomes: Outcomes
    ) -> NDArray[np.int64] | None:
        """Steps of all pictures of each request; None for a generator without steps."""
        field = self._runner.signature.field(Role.STEPS)
        if field is None:
            return None
        totals = np.array([int(kind.inputs[field.name].sum()) for kind in kinds])[outcomes.kind]
        for one in outcomes.picked:
            if picks is not None:
                totals[one.request] = int(picks.kinds[one.kind].inputs[field.name].sum())
        return totals


class _Window:
    """One window of a running load.

    Args:
        running: the load.
        runner: whose server counts.
        load: for messages.
        gauge: reads what the window uses.
    """

    def __init__(
        self, running: Running, runner: TritonRunner | Runner, load: Load, gauge: Gauge | None
    ) -> None:
        self._running, self._runner, self._load, self._gauge = running, runner, load, gauge
        self.start = self.end = 0.0
        self._cpu_seconds = 0.0
        self._server: Any = None
        self._resources: Resources | None = None

    def measure(self, warmup_seconds: float, seconds: float) -> None:
        """Let the load run, and note what the server and the processes do in the window."""
        running = self._running
        turns = 0 if self._load.rate is not None else self._load.concurrency
        running.begin()
        self.start, spent = running.wait(warmup_seconds, turns), running.cpu_seconds()
        running.pick_every(self._every(seconds))
        if self._gauge is not None:
            self._gauge.begin(running.process_ids)
        # A server that has too much to do also answers this late, and the schedule does not wait.
        before = statistics_of(self._runner)
        self.end = running.wait(self.start + seconds - running.now, turns)
        if self._load.rate is not None:  # the schedule is over at its time, however late the server answers
            self.end = min(self.end, warmup_seconds + seconds)
        self._cpu_seconds = running.cpu_seconds() - spent
        if self._gauge is not None:
            self._resources = self._gauge.end()
        after = statistics_of(self._runner)
        self._server = after - before if before and after else None

    def _every(self, seconds: float) -> int:
        expected = self._running.ended / max(self._running.now, 1e-3) * seconds
        return int(min(MOST_EVERY, max(2, expected // WANTED_PROBES)))

    def measurement(
        self,
        outcomes: Outcomes,
        plan: Plan,
        steps: NDArray[np.int64] | None,
        numbers: list[NDArray[np.int64]],
    ) -> Measurement:
        """The raw data of the window.

        Args:
            outcomes: of all requests.
            plan: of the load.
            steps: of each request.
            numbers: of the probes of each picked kind.
        """
        start, end = self.start, self.end
        seconds = end - start
        inside = outcomes.answered & (outcomes.ended >= start) & (outcomes.ended <= end)
        if not inside.any():
            ended = outcomes.ended >= start
            message = next(iter(outcomes.errors), "no answer came within it")
            raise EndpointError(
                f"none of {int(ended.sum())} requests at {self._load} succeeded; the first error:"
                f" {' '.join(message.split())}"
            )
        pictures = int(outcomes.pictures[inside].sum())
        times = plan.times
        preview = (outcomes.preview - outcomes.scheduled)[inside] * 1e3
        return Measurement(
            seconds=seconds,
            batch=pictures / int(inside.sum()),
            latencies_ms=outcomes.latency_ms[inside],
            errors=outcomes.errors,
            client_cpu_seconds=self._cpu_seconds,
            server=self._server,
            asked=int((~np.isnan(outcomes.ended)).sum()),
            images=pictures,
            in_flight=outcomes.in_flight(start, end),
            in_flight_wanted=plan.in_flight if times is None else None,
            offered_rate=None if times is None else int(((times >= start) & (times < end)).sum()) / seconds,
            late_ms=((outcomes.began - outcomes.scheduled) * 1e3)[inside],
            steps=None if steps is None else int(steps[inside].sum()),
            first_preview_ms=preview[~np.isnan(preview)] if plan.kinds[0].preview_every else None,
            picked=_picked(outcomes, numbers, self._runner),
            resources=self._resources,
        )


def _picked(outcomes: Outcomes, numbers: list[NDArray[np.int64]], runner: Runner) -> Picked | None:
    """The pictures of the probes, of all requests of the load: a wrong one of the warm-up is wrong, too."""
    if not outcomes.picked:
        return None
    shape = runner.signature.output.usual_shape
    return Picked(
        np.concatenate([numbers[one.kind] for one in outcomes.picked]),
        np.concatenate(
            [np.frombuffer(one.pictures, np.uint8).reshape(-1, *shape) for one in outcomes.picked]
        ),
    )
