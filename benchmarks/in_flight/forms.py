"""Forms of serving a sampler, side by side on one server: how each is deployed, saturated and loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle
from ...serving.configuration.settings import ServingSettings
from ...serving.in_flight.batching import STEPS, Batching
from ...serving.repository.deploy import deploy
from ...signature import Signature
from ...signature.fields import Role
from .open_loop import Inputs, Outcomes, Plan, drive

__all__ = ["FORMS", "Form", "Load", "Site", "requests", "same_pictures"]

IN_FLIGHT_REQUESTS = 128
"""Requests that are kept waiting for saturation: enough for two full batches of whole requests."""

PROMPTS = ("a large red circle above a small blue square", "a green triangle", "", "two yellow stars")


@dataclass(frozen=True)
class Form:
    """One way to serve a sampler.

    Args:
        name: of its model.
        batching: which of the two forms.
        instances: instances of whole requests, or lanes in flight.
        threads: of each; None for its share of the cores.
        rows: largest batch of whole requests, or live rows of a lane.
    """

    name: str
    batching: Batching
    instances: int
    threads: int | None
    rows: int

    @property
    def settings(self) -> ServingSettings:
        """As `deploy` takes it."""
        if self.batching == "whole":
            return ServingSettings(
                instance_count=self.instances, threads=self.threads, max_batch_size=self.rows
            )
        return ServingSettings(
            batching="in-flight", lanes=self.instances, threads=self.threads, live_rows=self.rows
        )


def _forms() -> tuple[Form, ...]:
    whole = [(1, None, 64), (2, 2, 64), (2, None, 64), (2, None, 16)]
    flight = [(1, None, 16), (2, None, 4), (2, None, 8), (2, None, 16)]
    listed: list[tuple[Batching, tuple[int, int | None, int]]] = [
        *(("whole", one) for one in whole),
        *(("in-flight", one) for one in flight),
    ]
    return tuple(
        Form(f"{kind}-{count}-{threads or 'auto'}-{rows}", kind, count, threads, rows)
        for kind, (count, threads, rows) in listed
    )


FORMS = _forms()
"""The candidates: instances or lanes, threads of each, and rows."""


@dataclass(frozen=True)
class Load:
    """What one form did under one plan.

    Args:
        steps: of the requests that were started.
        outcomes: of these.
    """

    steps: NDArray[np.int64]
    outcomes: Outcomes

    def pictures_per_second(self, until: float) -> float:
        """Answered steps in the second of a request's mean number of steps, once the pipeline is full.

        Whole requests end in bursts: the slope of all answered steps over time counts bursts at no place more than
        their share.

        Args:
            until: seconds from the start when no more requests were started.
        """
        ended = np.sort(self.outcomes.ended)
        answered = np.cumsum(self.steps[np.argsort(self.outcomes.ended)])
        counted = (ended > until / 5) & (ended <= until)
        if len(np.unique(ended[counted].round(1))) < 3:  # too short for the bursts: with the pipeline's ends
            return float(answered[-1] / ended[-1] / np.mean(STEPS))
        slope, _ = np.polyfit(ended[counted], answered[counted], 1)
        return float(slope / np.mean(STEPS))

    def latency_ms(self, steps: int | None = None) -> NDArray[np.float64]:
        """Latencies of all requests, or of those with a number of steps."""
        latencies = self.outcomes.latency_ms
        return latencies if steps is None else latencies[self.steps == steps]


class Site:
    """A server with all forms, and what is asked of them.

    Args:
        address: HOST:PORT of its gRPC endpoint.
        signature: of the sampler.
        folder: for the files of the load generator.
    """

    def __init__(self, address: str, signature: Signature, folder: Path) -> None:
        self._address, self._signature, self._folder = address, signature, folder

    @staticmethod
    def deploy(bundle: Bundle, repository: Path, forms: tuple[Form, ...] = FORMS) -> None:
        """Write a repository with a model for each form; the bundle is proven once."""
        for number, form in enumerate(forms):
            accepted = [one.name for one in bundle.manifest.variants] if number else ()
            deploy(bundle, to=repository, name=form.name, settings=form.settings, accept_failed=accepted)

    def saturate(self, form: Form, seconds: float, seed: int) -> Load:
        """Keep many requests waiting for `seconds`."""
        inputs = requests(self._signature, 20_000, seed)
        return self._drive(form, inputs, in_flight=IN_FLIGHT_REQUESTS, seconds=seconds)

    def load(self, form: Form, per_second: float, seconds: float, seed: int) -> Load:
        """Send requests as a Poisson process for `seconds`; equal seeds give equal requests at equal times."""
        count = round(per_second * seconds)
        gaps = np.random.default_rng(seed).exponential(1 / per_second, count)
        return self._drive(form, requests(self._signature, count, seed), times=np.cumsum(gaps))

    def lone_ms(self, form: Form, repeats: int = 7) -> dict[int, float]:
        """Steps -> median latency of a request that has the server to itself."""
        inputs = requests(self._signature, repeats * len(STEPS), seed=0, steps=np.tile(STEPS, repeats))
        load = self._drive(form, inputs, in_flight=1)
        return {steps: float(np.median(load.latency_ms(steps))) for steps in STEPS}

    def _drive(self, form: Form, inputs: Inputs, **plan: Any) -> Load:
        streamed = form.batching == "in-flight"
        outcomes = drive(Plan(self._address, form.name, inputs, streamed=streamed, **plan), self._folder)
        (steps,) = (field.name for field in self._signature.inputs if field.role is Role.STEPS)
        return Load(inputs[steps][: len(outcomes.ended)], outcomes)


def requests(
    signature: Signature, count: int, seed: int, steps: NDArray[np.int64] | None = None
) -> dict[str, NDArray[Any]]:
    """Inputs of a sampler, one row a request.

    Args:
        signature: of the sampler.
        count: of requests.
        seed: equal ones give equal requests.
        steps: of each; by default drawn from `STEPS`.
    """
    generator = np.random.default_rng(seed)
    inputs = signature.example(count, seed)
    for field in signature.inputs:
        if field.role is Role.STEPS:
            inputs[field.name] = generator.choice(STEPS, count) if steps is None else np.asarray(steps)
        elif field.role is Role.PROMPT:
            inputs[field.name] = generator.choice(PROMPTS, count).astype(object)
    return inputs


def same_pictures(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> bool:
    """Whether two sets of pictures keep the contract: no value differs by more than 1, and at most one in a thousand
    differs."""
    difference = np.abs(ours.astype(int) - theirs)
    return bool(difference.max() <= 1 and (difference == 0).mean() >= 0.999)
