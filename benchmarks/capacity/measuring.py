"""Costs of a bundle on this machine, for a plan: of its runner here, and of the default way to serve it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from ...bundle import Bundle
from ...reporting.progress import Progress, quiet
from ...signature.fields import Role
from ..load.measuring.mix import COUNT, Mix
from ..machine import describe_machine
from .check import LONE, MANY
from .costs import Costs
from .fitting import fitted, measure_runner, spent_in
from .plan import ways_on
from .serving import serving
from .shape import Kind, Served, Site, Traffic

__all__ = ["Measuring", "here", "kinds_of", "measured_costs"]


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
    site = here(measuring.device, clients_here=True)
    cores, sampler = site.cores, bundle.manifest.sampler is not None
    threads = [1] if site.devices else sorted({1, max(1, cores // 2), cores})
    share = measuring.seconds / (len(threads) + 1)
    found = {}
    for number, count in enumerate(threads):
        progress(f"timing the runner with {count} threads", number / (len(threads) + 1))
        way = Served(instances=max(1, cores // count) if not site.devices else 1, threads=count)
        found[count] = measure_runner(bundle, measuring.variant, way, measuring.device, share)
    default = ways_on(site, threads, max(found[1].batch_ms), sampler=sampler)[0]
    progress("measuring the server", len(threads) / (len(threads) + 1))
    with serving(bundle, measuring.variant, [default], kinds, measuring.device) as (model,):
        windows = {}
        for clients in (LONE, MANY):
            measured = model.take(Traffic(clients=clients, kinds=kinds), share / 2)
            windows[clients] = spent_in(measured)
    base = fitted(found[default.threads], default, site, windows, kinds)
    update = {"overhead": base.overhead, "spread": base.spread, "patience": base.patience}
    return {count: costs.scaled(base.factor).model_copy(update=update) for count, costs in found.items()}


def here(device: str, *, clients_here: bool = False) -> Site:
    """This machine.

    Args:
        device: "cpu" or "cuda".
        clients_here: whether the load generator shares its cores.
    """
    cores = len(os.sched_getaffinity(0))
    devices = 0 if device == "cpu" else max(1, len(describe_machine().gpus))
    return Site(cores=cores, devices=devices, clients_here=clients_here)


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
