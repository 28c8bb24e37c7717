"""A known load on a litho server and its gateway, and what happened by witnesses other than Prometheus."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...errors import LithoError
from ...runners._served import ServerStatistics
from ...runners.triton import Runner
from ...signature.fields import Role
from ..gateway.process import GatewayProcess
from ..load.generator import Kind, Outcomes, Plan, Running, Site
from ..load.measuring.requests import Requests

__all__ = ["Facts", "ModelFacts", "load"]

KINDS = 64
GATEWAY_CLIENTS = 4
MALFORMED, NO_MODEL = 5, 7
"""Requests to the gateway that no model answers: of a body that is no JSON, and for a model that is not there."""
IMAGES = "/v1/images/generations"


@dataclass(frozen=True)
class ModelFacts:
    """What happened to one model.

    Args:
        name: of the model.
        in_flight: whether its sampler is batched in flight.
        clients: requests kept in flight.
        direct: outcomes of the requests over gRPC.
        through_gateway: pictures that went through the gateway.
        statistics: Triton's own count of the same time, read over gRPC.
        steps: of all pictures together; 0 for a generator without steps.
    """

    name: str
    in_flight: bool
    clients: int
    direct: Outcomes
    through_gateway: int
    statistics: ServerStatistics
    steps: int

    @property
    def answered(self) -> int:
        """Requests over gRPC that were answered."""
        return int(self.direct.answered.sum())

    @property
    def pictures(self) -> int:
        """That all clients got."""
        return int(self.direct.pictures[self.direct.answered].sum()) + self.through_gateway

    @property
    def client_seconds(self) -> float:
        """Mean latency of the requests over gRPC."""
        return float(self.direct.latency_ms[self.direct.answered].mean()) / 1e3


@dataclass(frozen=True)
class Facts:
    """What happened, and when.

    Args:
        began, ended: of the load, in seconds since the epoch.
        models: of the server.
        images_ms: FP64 of shape (requests,), latency of each request for pictures through the gateway.
        refused: code of the error -> requests that the gateway refused with it.
        statuses: status -> requests that clients sent to the gateway, Prometheus not among them.
        gateway_cpu_seconds: that the gateway spent.
        gateway_bytes: memory that it holds.
    """

    began: float
    ended: float
    models: tuple[ModelFacts, ...]
    images_ms: NDArray[np.float64]
    refused: Counter[str]
    statuses: Counter[str] = field(default_factory=Counter)
    gateway_cpu_seconds: float = 0.0
    gateway_bytes: int = 0

    @property
    def images(self) -> int:
        """Requests for pictures that the gateway answered with pictures."""
        return len(self.images_ms)


def load(runners: Sequence[Runner], gateway: GatewayProcess, *, clients: int, seconds: float) -> Facts:
    """Load all models at once over gRPC, and the first one through the gateway; all is answered at the end.

    Args:
        runners: of the models; the first one makes whole requests.
        gateway: before their server.
        clients: requests kept in flight for each model over gRPC.
        seconds: for which requests start.

    Raises:
        LithoError: a request failed that should not.
    """
    first, cpu = runners[0], gateway.cpu_seconds
    before = [runner.statistics() for runner in runners]
    plans = [_plan(runner, clients) for runner in runners]
    sites = [Site.of(runner) for runner in runners]
    plans.append(_plan(first, GATEWAY_CLIENTS, first_seed=2**41))
    sites.append(Site(first.signature, gateway.address, sites[0].model, transport="images"))
    began = time.time()
    with ExitStack() as stack:
        running = [stack.enter_context(Running(*pair)) for pair in zip(plans, sites, strict=True)]
        for one in running:
            one.begin()
        refused = _refused(gateway.url, sites[0].model)
        running[0].wait(seconds)
        outcomes = [one.end() for one in running]
    for site, outcome in zip(sites, outcomes, strict=True):
        if outcome.errors or not outcome.answered.any():
            reason = next(iter(outcome.errors), "none was answered")
            raise LithoError(f"requests of {site.model} failed under load: {reason}")
    images = outcomes.pop()
    models = tuple(
        ModelFacts(
            name=site.model,
            in_flight=runner.decoupled,
            clients=clients,
            direct=outcome,
            through_gateway=int(images.pictures.sum()) if runner is first else 0,
            statistics=runner.statistics() - earlier,
            steps=_steps(runner, plan, outcome),
        )
        for runner, site, plan, outcome, earlier in zip(
            runners, sites[:-1], plans[:-1], outcomes, before, strict=True
        )
    )
    statuses = Counter({"200": len(images.ended), "400": MALFORMED, "404": NO_MODEL})
    return Facts(
        began=began,
        ended=time.time(),
        models=models,
        images_ms=images.latency_ms,
        refused=refused,
        statuses=statuses,
        gateway_cpu_seconds=gateway.cpu_seconds - cpu,
        gateway_bytes=gateway.resident_bytes,
    )


def _plan(runner: Runner, clients: int, first_seed: int = 2**40) -> Plan:
    requests = Requests(runner.signature, 0)
    kinds = [Kind(requests.take(1)) for _ in range(KINDS)]
    return Plan(kinds, first_seed=first_seed, in_flight=clients)


def _steps(runner: Runner, plan: Plan, outcomes: Outcomes) -> int:
    if (entry := runner.signature.field(Role.STEPS)) is None:
        return 0
    totals = np.array([int(kind.inputs[entry.name].sum()) for kind in plan.kinds])
    return int(totals[outcomes.kind].sum())


def _refused(url: str, model: str) -> Counter[str]:
    """Send requests that the gateway refuses; the codes of its errors."""
    bodies = [b"no JSON"] * MALFORMED + [json.dumps({"model": f"not-{model}", "seed": 1}).encode()] * NO_MODEL
    codes = Counter[str]()
    for body in bodies:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}{IMAGES}", body, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                raise LithoError(f"the gateway answered {answer.status} to {body.decode()}")
        except urllib.error.HTTPError as error:
            codes[json.load(error)["error"]["code"]] += 1
    return codes
