"""Costs of a bundle on this machine, for a plan: of its runner here, and of the default way to serve it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from ...bundle import Bundle
from ...reporting.progress import Progress, quiet
from ...signature.fields import Role
from ..load.measuring.mix import COUNT, Mix
from ..shared.cores import cores_of, only_on
from ..shared.machine import describe_machine
from .calibration import fits_of, measured_site, take_costs
from .costs import Costs
from .serving import serving
from .shape import Kind, Served, Site
from .timing import measure_runner

__all__ = ["Measuring", "here", "kinds_of", "measured_costs"]


_WINDOWS = 9
"""Windows on the server that costs come from, about."""

_LEAST_SECONDS = 0.2
"""Shortest window: the processor time of another process is known in hundredths of a second."""


@dataclass(frozen=True)
class Measuring:
    """What is measured for a plan, and how long.

    Args:
        variant: of the bundle, as `runners.choose_variants` takes it.
        device: "cpu" or "cuda".
        seconds: in all, about, beside the start of the server.
    """

    variant: str | None = None
    device: str = "cpu"
    seconds: float = 20.0


def measured_costs(
    bundle: Bundle, kinds: tuple[Kind, ...], measuring: Measuring, progress: Progress = quiet
) -> dict[int, Costs]:
    """Threads of an instance -> costs on this machine, in about `measuring.seconds` and the start of a server.

    Args:
        bundle: to serve.
        kinds: of the requests.
        measuring: what and how long.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        LithoError: the bundle cannot be opened or served here.
    """
    planned, sampler = here(measuring.device), bundle.manifest.sampler is not None
    threads = [1] if planned.devices else sorted({1, max(1, planned.cores // 2), planned.cores})
    apart = cores_of(share=False)
    site = measured_site(apart).model_copy(update={"devices": planned.devices})
    found = {}
    for number, count in enumerate(threads):
        progress(f"timing the runner with {count} threads", number / (len(threads) + 1))
        way = Served(instances=max(1, planned.cores // count) if not planned.devices else 1, threads=count)
        # The threads of one instance may take all cores; where they need not, they are timed on those of the server.
        with only_on(apart.server if apart is not None and count <= site.cores else None):
            found[count] = measure_runner(
                bundle, measuring.variant, way, measuring.device, measuring.seconds / 2 / len(threads)
            )
    ways = _served(site, max(found[1].batch_ms), sampler=sampler)
    for way in ways:
        if way.threads not in found:
            found[way.threads] = found[min(found, key=lambda count: abs(count - way.threads))]
    progress("measuring the server", len(threads) / (len(threads) + 1))
    with ExitStack() as stack:
        with only_on(apart and apart.server):
            models = stack.enter_context(serving(bundle, measuring.variant, ways, kinds, measuring.device))
        with only_on(apart and apart.clients):
            take_costs(models, ways, kinds, max(_LEAST_SECONDS, measuring.seconds / 2 / _WINDOWS))
        _, costs = fits_of(ways, models, found, site, kinds)
    return {count: costs[0].of_runner(found[count]) for count in threads}


def _served(site: Site, largest: int, *, sampler: bool) -> list[Served]:
    """What is served to measure costs: two instances, and one with as many threads."""
    if sampler:
        return [Served(instances=1, threads=1 if site.devices else site.cores, largest=largest)]
    share = 1 if site.devices else max(1, site.cores // 2)
    return [Served(instances=count, threads=share, largest=largest) for count in (2, 1)]


def here(device: str) -> Site:
    """This machine.

    Args:
        device: "cpu" or "cuda".
    """
    cores = len(os.sched_getaffinity(0))
    devices = 0 if device == "cpu" else max(1, len(describe_machine().gpus))
    return Site(cores=cores, devices=devices)


def kinds_of(bundle: Bundle, mix: str | None) -> tuple[Kind, ...]:
    """The kinds of requests that a mix describes; without one, a picture with the usual steps.

    Args:
        bundle: that makes them.
        mix: as `--mix` of `litho bench` takes it, of which only pictures and steps change what a request costs.

    Raises:
        UsageError: the mix is none, or the generator does not take it.
    """
    field = next((one for one in bundle.manifest.signature.inputs if one.role is Role.STEPS), None)
    usual = 1 if field is None else int(field.default or field.maximum or 1)
    if mix is None:
        return (Kind(steps=usual),)
    parsed = Mix.parse(mix)
    parsed.draw(
        bundle.manifest.signature, len(parsed.kinds), 1, np.random.default_rng(0)
    )  # checks the values
    found = []
    for given, weight in zip(parsed.kinds, parsed.weights, strict=True):
        steps = usual if field is None else int(given.get(field.name, usual))
        found.append(Kind(rows=int(given.get(COUNT, 1)), steps=steps, weight=weight))
    return tuple(found)
