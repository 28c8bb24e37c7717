"""What a check has measured, so that costs and predictions can be found again without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from ...bundle.json_documents import Document
from ...errors import LithoError
from .costs import Costs
from .serving import Endpoint, Gapped, InTurn, arrivals
from .shape import Kind, Served, Traffic
from .simulation import Window
from .spent import WINDOWS, Spent, quantiles

__all__ = ["Observed", "Recorded", "Recording", "Replayed", "Source", "Span", "recorded"]


class Source(Protocol):
    """Windows of one served model: a live one, or a recorded one."""

    plain: bool

    def has(self, traffic: Traffic | Gapped | InTurn) -> bool:
        """Whether a load was measured."""
        ...

    def spent(self, traffic: Traffic | Gapped | InTurn) -> Spent:
        """What the requests of a load cost."""
        ...

    def mean_ms(self, traffic: Traffic | Gapped | InTurn) -> float:
        """Latency of a load, its `usual_mean`."""
        ...


class Span(Document):
    """When a window was.

    Args:
        start_ms, end_ms: since the first request.
        drawn: seconds of arrivals, and their number, from which they are drawn again; None of a closed loop.
    """

    start_ms: float
    end_ms: float
    drawn: tuple[float, int] | None = None


class Observed(Document):
    """The fields of `Spent`, of which the latencies are their `quantiles`."""

    client: float
    server: float
    instances: float
    batches: float | None
    latencies_ms: tuple[float, ...]
    sizes: dict[int, int] | None
    steps: float | None


class Recorded(Document):
    """Windows of one load.

    Args:
        way: position of the way to serve.
        traffic, gap_ms, in_turn: the load is one of these.
        mean_ms: latency, as in `Spent`.
        spent: by its requests; None where a process was not seen.
        spans: of all windows.
    """

    way: int
    traffic: Traffic | None = None
    gap_ms: float | None = None
    in_turn: tuple[int, ...] | None = None
    mean_ms: float
    spent: Observed | None
    spans: tuple[Span, ...]

    @property
    def load(self) -> Traffic | Gapped | InTurn:
        """Load of these windows."""
        if self.traffic is not None:
            return self.traffic
        return Gapped(self.gap_ms or 0.0) if self.in_turn is None else InTurn(self.in_turn)

    def windows(self) -> tuple[Window, ...]:
        """Windows to be simulated."""
        rate = None if self.traffic is None else self.traffic.rate
        return tuple(
            Window(
                None if rate is None or one.drawn is None else arrivals(rate, *one.drawn) * 1e3,
                one.start_ms,
                one.end_ms,
            )
            for one in self.spans
        )


class Recording(Document):
    """All windows of a bundle.

    Args:
        generator: name of the bundle.
        ways: to serve it.
        kinds: of its requests.
        plain: whether all requests are one picture of a generator of one graph.
        runner: threads -> costs of its runner alone.
        loads: that were measured.
    """

    generator: str
    ways: tuple[Served, ...]
    kinds: tuple[Kind, ...]
    plain: bool
    runner: dict[int, Costs]
    loads: tuple[Recorded, ...]


class Replayed:
    """One way of a recording, in place of a live model."""

    def __init__(self, recording: Recording, way: int) -> None:
        self.plain = recording.plain
        self._found = {one.load: one for one in recording.loads if one.way == way}

    def has(self, traffic: Traffic | Gapped | InTurn) -> bool:
        """See `Source.has`."""
        return traffic in self._found

    def windows(self, traffic: Traffic) -> tuple[Window, ...]:
        """Windows of a load."""
        return self._found[traffic].windows()

    def mean_ms(self, traffic: Traffic | Gapped | InTurn) -> float:
        """See `Source.mean_ms`."""
        return self._found[traffic].mean_ms

    def spent(self, traffic: Traffic | Gapped | InTurn) -> Spent:
        """See `Source.spent`."""
        found = self._found[traffic]
        if found.spent is None:
            raise LithoError(f"what requests of {found.load} cost was not seen when they were measured")
        fields = {**dict(found.spent), "latencies_ms": np.array(found.spent.latencies_ms)}
        return Spent(**fields, mean_ms=found.mean_ms, windows=found.windows()[:WINDOWS])


def recorded(
    generator: str,
    ways: Sequence[Served],
    models: Sequence[Endpoint],
    runner: Mapping[int, Costs],
    kinds: tuple[Kind, ...],
) -> Recording:
    """What was measured of a bundle.

    Args:
        generator: name of the bundle.
        ways: to serve it.
        models: of these.
        runner: threads -> costs of the runner.
        kinds: of the requests.
    """
    loads = list[Recorded]()
    for number, model in enumerate(models):
        for load in model.loads:
            windows = model.measured(load).windows
            loads.append(
                Recorded(
                    way=number,
                    traffic=load if isinstance(load, Traffic) else None,
                    gap_ms=load.gap_ms if isinstance(load, Gapped) else None,
                    in_turn=load.rows if isinstance(load, InTurn) else None,
                    mean_ms=model.mean_ms(load),
                    spent=_observed(model, load),
                    spans=tuple(
                        Span(start_ms=one.start_ms, end_ms=one.end_ms, drawn=one.drawn) for one in windows
                    ),
                )
            )
    return Recording(
        generator=generator,
        ways=tuple(ways),
        kinds=kinds,
        plain=models[0].plain,
        runner=dict(runner),
        loads=tuple(loads),
    )


def _observed(model: Endpoint, load: Traffic | Gapped | InTurn) -> Observed | None:
    try:
        spent = model.spent(load)
    except LithoError:  # of the loads that costs come from, `fits_of` has raised it already
        return None
    return Observed(
        client=spent.client,
        server=spent.server,
        instances=spent.instances,
        batches=spent.batches,
        latencies_ms=tuple(quantiles(spent.latencies_ms).tolist()),
        sizes=None if spent.sizes is None else dict(spent.sizes),
        steps=spent.steps,
    )
