"""What is simulated: how a model is served, the machine below it, and the requests that it gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field as Constraint, model_validator

from ...bundle.json_documents import Document

__all__ = ["Kind", "Served", "Site", "Traffic", "deck"]

_Count = Annotated[int, Constraint(ge=1)]


class Served(Document):
    """How a model is served.

    Args:
        batching: "whole" requests by Triton's dynamic batcher, or a sampler's rows "in-flight".
        instances: of the model on each machine, or lanes in flight.
        threads: of each on a processor.
        largest: most rows of a batch, or live rows of a lane.
        preferred: batch sizes that the batcher does not wait to exceed; empty for `largest`.
        delay_ms: longest wait of a request for others to share its batch.
    """

    batching: Literal["whole", "in-flight"] = "whole"
    instances: _Count = 2
    threads: _Count = 1
    largest: _Count = 64
    preferred: tuple[_Count, ...] = ()
    delay_ms: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 0.0

    @property
    def name(self) -> str:
        """In a table: such as "whole, 2 x 1 thread, batch 64"."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        rows = "batch" if self.batching == "whole" else "live rows"
        preferred = f", preferred {', '.join(map(str, self.preferred))}" if self.preferred else ""
        delay = f", delay {self.delay_ms:g} ms" if self.delay_ms else ""
        return f"{self.batching}, {self.instances} x {threads}, {rows} {self.largest}{preferred}{delay}"


class Site(Document):
    """One machine.

    Args:
        cores: that it has.
        devices: GPUs on which the runners compute; 0 for its cores.
        clients_here: whether the load generator shares the cores, as it does in a measurement on one core.
        client_cores: of a load generator beside the server; 0 for clients on other machines, whose time is not known.
    """

    cores: _Count
    devices: Annotated[int, Constraint(ge=0)] = 0
    clients_here: bool = False
    client_cores: Annotated[int, Constraint(ge=0)] = 0


class Kind(Document):
    """Some of the requests.

    Args:
        rows: pictures of a request.
        steps: of a sampler; 1 for a generator of one graph.
        weight: share of the requests; the weights need not add up to 1.
    """

    rows: _Count = 1
    steps: _Count = 1
    weight: Annotated[float, Constraint(gt=0, allow_inf_nan=False)] = 1.0


class Traffic(Document):
    """Requests of one machine.

    Args:
        rate: requests a second of a Poisson process; None for a closed loop.
        clients: requests in flight of a closed loop; None for an open one.
        kinds: of requests, drawn at random.
    """

    rate: Annotated[float, Constraint(gt=0, allow_inf_nan=False)] | None = None
    clients: _Count | None = None
    kinds: Annotated[tuple[Kind, ...], Constraint(min_length=1)] = (Kind(),)

    @model_validator(mode="after")
    def _one_loop(self) -> Self:
        if (self.rate is None) == (self.clients is None):
            raise ValueError("traffic has a rate or clients, and not both")
        return self

    @property
    def rows(self) -> float:
        """Mean pictures of a request."""
        return sum(kind.rows * kind.weight for kind in self.kinds) / sum(kind.weight for kind in self.kinds)

    @property
    def name(self) -> str:
        """In a table: such as "open, 200/s" or "closed, 8"."""
        return f"closed, {self.clients}" if self.rate is None else f"open, {self.rate:.4g}/s"


_TURNS = 16
"""How often the rarest kind is in a deck."""


def deck(kinds: Sequence[Kind]) -> list[int]:
    """Positions of kinds in the order in which a measured window sends them, again and again: without a pattern.

    >>> sorted(deck((Kind(), Kind(rows=2, weight=0.5)))) == [0] * 32 + [1] * 16
    True
    """
    least = min(kind.weight for kind in kinds)
    cards = [
        number
        for number, kind in enumerate(kinds)
        for _ in range(max(1, round(_TURNS * kind.weight / least)))
    ]
    return np.random.default_rng(0).permutation(cards).tolist()
