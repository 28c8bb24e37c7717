"""Models of one bundle side by side on an embedded server, and windows of load on them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle
from ...errors import UsageError
from ...runners.triton import Runner
from ...serving.configuration.settings import ServingSettings
from ...serving.repository.planning import Plan, Wanted
from ...serving.repository.versions import add_version
from ...serving.server.embedded import EmbeddedServer
from ...signature import Signature
from ...signature.fields import Role
from ..load.documents.measurement import Measurement
from ..load.documents.windows import Load
from ..load.measuring.gauge import ProcessGauge
from ..load.measuring.meter import Meter
from ..load.measuring.mix import Mix
from ..load.measuring.requests import Requests
from ..load.scenarios import open_scenario
from ..load.scenarios.poisson import Scenario as Poisson
from .shape import Kind, Served, Traffic, deck
from .simulation import Window
from .spent import Spent, spent_in, usual_mean

__all__ = ["Endpoint", "Gapped", "InTurn", "Measured", "arrivals", "mix_of", "serving", "settings_of"]

_WARM_UP = 0.2
"""Share of a window, before it."""

_OPEN_SEED, _EVEN_SEED = 2**40, 2**41


class _Recorded(Poisson):
    """A Poisson process that remembers when its requests left."""

    last: NDArray[np.float64]
    drawn = (0.0, 0)

    def times(self, rate: float, seconds: float, generator: np.random.Generator) -> NDArray[np.float64]:
        """See `OpenLoop.times`; the generator is one for each window, so that one alone can be drawn again."""
        self.drawn = (seconds, self.drawn[1] + 1)
        self.last = arrivals(rate, *self.drawn)
        return self.last


def arrivals(rate: float, seconds: float, number: int) -> NDArray[np.float64]:
    """Times of the requests of an open loop, FP64 seconds of shape (requests,).

    Args:
        rate: requests a second.
        seconds: of them.
        number: of the window; each has its own.
    """
    return Poisson().times(rate, seconds, np.random.default_rng((_OPEN_SEED, number)))


@dataclass(frozen=True)
class Measured:
    """Windows of one load together.

    Args:
        parts: what was measured in each.
        windows: when that was, and the arrivals.
    """

    parts: tuple[Measurement, ...]
    windows: tuple[Window, ...]

    @property
    def pooled(self) -> Measurement:
        """All windows as one."""
        return Measurement.pooled(self.parts)


@dataclass(frozen=True)
class Gapped:
    """Lone requests that follow each other at equal distances.

    Args:
        gap_ms: from one to the next.
    """

    gap_ms: float


@dataclass(frozen=True)
class InTurn:
    """Lone requests whose numbers of pictures take turns.

    Args:
        rows: pictures of one request after the other.
    """

    rows: tuple[int, ...]


class Endpoint:
    """One served model under load.

    Args:
        runner: its endpoint.
        kinds: of the requests.
        process_id: of the server.

    Attributes:
        variant: that is served.
        process_id: of the server.
        plain: whether all requests are one picture of a generator of one graph.
    """

    def __init__(self, runner: Runner, kinds: tuple[Kind, ...], process_id: int) -> None:
        self.variant, self.process_id = runner.variant, process_id
        mix = mix_of(kinds, runner.signature)
        self.plain = mix is None
        self._gauge = ProcessGauge(process_id)
        self._recorded = opened = _Recorded()
        self._runner = runner
        self._closed = self._closed_meter(mix)
        self._open = Meter(runner, Requests(runner.signature, _OPEN_SEED), opened, mix=mix)
        constant = open_scenario("constant")
        self._even = Meter(runner, Requests(runner.signature, _EVEN_SEED), constant, mix=mix)
        self._found: dict[Traffic | Gapped | InTurn, list[tuple[Measurement, Window]]] = {}

    def _closed_meter(self, mix: Mix | None) -> Meter:
        signature = self._runner.signature
        return Meter(self._runner, Requests(signature, 1), open_scenario("closed-loop"), mix=mix)

    def take(self, traffic: Traffic | Gapped | InTurn, seconds: float) -> Measurement:
        """Measure one window.

        Args:
            traffic: the load; its kinds are those of the model, or one kind that differs in its pictures alone.
            seconds: of the window, at least.

        Raises:
            LithoError: no request succeeded, or the server stopped answering.
        """
        rated = False
        if isinstance(traffic, InTurn):
            mix = Mix(
                tuple({"n": str(rows)} for rows in traffic.rows), (1.0,) * len(traffic.rows), in_order=True
            )
            meter, load = self._closed_meter(mix), Load(concurrency=1)
        elif isinstance(traffic, Gapped):
            meter, load = self._even, Load(rate=1e3 / traffic.gap_ms)
        elif rated := traffic.rate is not None:
            meter, load = self._open, Load(rate=traffic.rate)
        else:
            rows = traffic.kinds[0].rows if len(traffic.kinds) == 1 else 1
            meter, load = self._closed, Load(concurrency=traffic.clients or 1, batch=rows)
        measured = meter.take(load, warmup_seconds=_WARM_UP * seconds, seconds=seconds, gauge=self._gauge)
        start = _WARM_UP * seconds * 1e3
        times = self._recorded.last * 1e3 if rated else None
        drawn = self._recorded.drawn if rated else None
        window = Window(times, start, start + measured.seconds * 1e3, drawn)
        self._found.setdefault(traffic, []).append((measured, window))
        return measured

    def measured(self, traffic: Traffic | Gapped | InTurn) -> Measured:
        """All windows of a load so far."""
        parts, windows = zip(*self._found[traffic], strict=True)
        return Measured(parts, windows)

    def spent(self, traffic: Traffic | Gapped | InTurn) -> Spent:
        """What the requests of a load cost in all windows so far."""
        measured = self.measured(traffic)
        return spent_in(measured.pooled, measured.windows)

    def mean_ms(self, traffic: Traffic | Gapped | InTurn) -> float:
        """Latency of a load in all windows so far, its `usual_mean`."""
        return usual_mean(self.measured(traffic).pooled.latencies_ms)

    @property
    def loads(self) -> tuple[Traffic | Gapped | InTurn, ...]:
        """That were measured."""
        return tuple(self._found)

    def forget_last(self, traffic: Traffic | Gapped | InTurn) -> None:
        """Forget the last window of a load: the machine was disturbed."""
        self._found[traffic].pop()

    def has(self, traffic: Traffic | Gapped | InTurn) -> bool:
        """Whether a load was measured."""
        return traffic in self._found

    def forget(self) -> None:
        """Forget what was measured: it was to warm up."""
        self._found.clear()


def mix_of(kinds: Sequence[Kind], signature: Signature) -> Mix | None:
    """The kinds for the load generator, in an order without a pattern; None where all are one picture of one graph.

    Raises:
        UsageError: the generator takes no steps.
    """
    field = next((one.name for one in signature.inputs if one.role is Role.STEPS), None)
    if field is None and all(kind.steps == 1 for kind in kinds) and len(kinds) == 1 and kinds[0].rows == 1:
        return None
    if field is None and any(kind.steps > 1 for kind in kinds):
        raise UsageError("steps were given, but this generator takes none")
    described: list[Mapping[str, str]] = []
    for number in deck(kinds):
        kind = kinds[number]
        steps = {} if field is None else {field: str(kind.steps)}
        described.append({"n": str(kind.rows), **steps})
    return Mix(tuple(described), (1.0,) * len(described), in_order=True)


def settings_of(served: Served, device: str = "cpu") -> ServingSettings:
    """The settings of `litho deploy` for it."""
    given: dict[str, Any] = {"device": device}
    if device == "cpu":
        given["threads"] = served.threads
    if served.batching == "in-flight":
        given |= {"batching": "in-flight", "lanes": served.instances, "live_rows": served.largest}
    else:
        given |= {
            "instance_count": served.instances,
            "max_batch_size": served.largest,
            "preferred_batch_sizes": served.preferred,
            "max_queue_delay_microseconds": round(served.delay_ms * 1e3),
        }
    return ServingSettings(**given)


@contextmanager
def serving(
    bundle: Bundle,
    variant: str | None,
    served: Sequence[Served],
    kinds: tuple[Kind, ...],
    device: str = "cpu",
) -> Iterator[list[Endpoint]]:
    """Serve a bundle in several ways at once while the block runs.

    Args:
        bundle: to serve.
        variant: as `runners.choose_variants` takes it.
        served: the ways; each is a model of its own.
        kinds: of the requests.
        device: "cpu" or "cuda".

    Raises:
        LithoError: it cannot be served.
    """
    with tempfile.TemporaryDirectory(prefix="litho-capacity-") as folder, ExitStack() as stack:
        repository = Path(folder) / "models"
        for number, one in enumerate(served):
            # Without the proof of `deploy`: what is measured here is time.
            wanted = Wanted(
                name=f"model-{number}",
                variant=variant,
                grade="same distribution",
                settings=settings_of(one, device),
            )
            plan = Plan.of(bundle, wanted)
            plan.check()
            add_version(repository / f"model-{number}", 1, plan.write)
        server = stack.enter_context(EmbeddedServer(repository, log=Path(folder) / "server.log"))
        models = []
        for number in range(len(served)):
            runner = Runner.from_location(f"{server.grpc_url}/model-{number}", device)
            models.append(Endpoint(stack.enter_context(runner), kinds, server.process_id))
        yield models
        server.stop(at_once=True)  # nothing is in flight: there is nobody to wait for
