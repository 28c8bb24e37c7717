"""What the gateway costs: direct gRPC, its tensors and its images API, in turns at the same number of clients."""

from __future__ import annotations

import base64
import io
import json
import statistics
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LithoError
from ...extras import require
from ...reporting.progress import Progress
from ...runners.triton import Runner
from ...signature import Signature
from ..load.generator import Kind, Outcomes, Plan, Running, Site
from ..load.measuring.requests import Requests
from ..shared.paired import paired_ratio
from .documents import Overhead, Way
from .process import GatewayProcess

__all__ = ["body_of", "measure_overhead", "sites_of"]

KINDS = 64
WARMUP_SHARE = 0.25
_PICTURES = 4
_PNG_PICTURES = 64


def sites_of(runner: Runner, gateway: str) -> dict[str, Site]:
    """Name of a way -> where its requests go; a model that streams has no tensors over HTTP.

    Args:
        runner: of the model at its server.
        gateway: HOST:PORT.
    """
    direct = Site.of(runner)
    ways = {"direct": direct}
    if not runner.decoupled:
        ways["tensors"] = Site(direct.signature, gateway, direct.model, transport="http")
    ways["images"] = Site(direct.signature, gateway, direct.model, transport="images")
    return ways


def measure_overhead(
    runner: Runner, gateway: GatewayProcess, *, clients: int, rounds: int, seconds: float, progress: Progress
) -> Overhead:
    """Measure the ways to a model in turns.

    Args:
        runner: of the model at its server.
        gateway: before that server.
        clients: requests kept in flight.
        rounds: windows of each way.
        seconds: of each window, a quarter of which is warm-up.
        progress: called with the step and the share that is done.

    Raises:
        LithoError: a way answers nothing.
    """
    sites = sites_of(runner, gateway.address)
    taken: dict[str, list[Way]] = {name: [] for name in sites}
    requests = Requests(runner.signature, 0)
    kinds = [Kind(requests.take(1)) for _ in range(KINDS)]
    first = time.time_ns() // 1000 % 2**40
    for turn in range(rounds):
        # Each way comes first equally often: the machine may become slower within a round.
        names = [*sites][turn % len(sites) :] + [*sites][: turn % len(sites)]
        for name in names:
            progress(f"{sites[name].model}, {name}", turn / rounds)
            plan = Plan(kinds, first_seed=first, in_flight=clients)
            taken[name].append(_window(plan, sites[name], gateway, seconds))
            first += 2**24
    direct = taken["direct"]
    others = [name for name in sites if name != "direct"]
    return Overhead(
        model=sites["direct"].model,
        variant=runner.served.variant,
        clients=clients,
        rounds={name: tuple(ways) for name, ways in taken.items()},
        throughput={
            name: paired_ratio([one.throughput for one in taken[name]], [one.throughput for one in direct])
            for name in others
        },
        p50_more_ms={
            name: statistics.median(
                one.p50_ms - other.p50_ms for one, other in zip(taken[name], direct, strict=True)
            )
            for name in others
        },
        png_ms=_png_ms(runner),
        same_pictures=_same_pictures(runner, sites, requests),
    )


def _window(plan: Plan, site: Site, gateway: GatewayProcess, seconds: float) -> Way:
    with Running(plan, site) as running:
        running.begin()
        start = running.wait(seconds * WARMUP_SHARE, plan.in_flight)
        own, others = running.cpu_seconds(), gateway.cpu_seconds
        end = running.wait(seconds * (1 - WARMUP_SHARE), plan.in_flight)
        own, others = running.cpu_seconds() - own, gateway.cpu_seconds - others
        outcomes = running.end()
    return _way(outcomes, start, end, own, others)


def _way(outcomes: Outcomes, start: float, end: float, client_seconds: float, gateway_seconds: float) -> Way:
    inside = outcomes.answered & (outcomes.ended >= start) & (outcomes.ended <= end)
    if not inside.any():
        raise LithoError(f"no request succeeded; the first error: {next(iter(outcomes.errors), 'none')}")
    latencies, pictures = outcomes.latency_ms[inside], int(outcomes.pictures[inside].sum())
    return Way(
        throughput=pictures / (end - start),
        p50_ms=float(np.percentile(latencies, 50)),
        p95_ms=float(np.percentile(latencies, 95)),
        requests=int(inside.sum()),
        errors=dict(outcomes.errors),
        gateway_cpu_ms=gateway_seconds * 1e3 / pictures,
        client_cpu_ms=client_seconds * 1e3 / pictures,
    )


def _png_ms(runner: Runner) -> float:
    from ...serving.gateway.pictures import Encoding, encode

    inputs = runner.signature.check(Requests(runner.signature, 0).take(_PNG_PICTURES))
    images = np.concatenate(
        [
            runner.run({name: array[start : start + 8] for name, array in inputs.items()})[
                runner.signature.output.name
            ]
            for start in range(0, _PNG_PICTURES, 8)
        ]
    )
    encode(images[0], Encoding())
    began = time.process_time()
    for image in images:
        encode(image, Encoding())
    return (time.process_time() - began) * 1e3 / len(images)


def _same_pictures(runner: Runner, sites: dict[str, Site], requests: Requests) -> bool:
    """Whether pictures of the images API are those of direct gRPC, byte for byte: PNG loses nothing."""
    inputs = requests.take(_PICTURES)
    return all(
        np.array_equal(
            _asked(sites["images"], runner.signature, row), runner.run(row)[runner.signature.output.name][0]
        )
        for row in _rows(inputs)
    )


def _rows(inputs: dict[str, NDArray[Any]]) -> Sequence[dict[str, NDArray[Any]]]:
    count = len(next(iter(inputs.values())))
    return [{name: array[row : row + 1] for name, array in inputs.items()} for row in range(count)]


def body_of(model: str, signature: Signature, row: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """A request of the images API for one picture.

    Args:
        model: its name.
        signature: of the model, without pictures among its inputs.
        row: field name -> array of shape (1,).
    """
    body: dict[str, Any] = {"model": model}
    for entry in signature.inputs:
        value = row[entry.name].ravel()[0]
        body[entry.name] = value.decode() if isinstance(value, bytes) else np.asarray(value).item()
    return body


def _asked(site: Site, signature: Signature, row: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    image = require("PIL.Image", "images")
    body = body_of(site.model, signature, row)
    headers = {"Content-Type": "application/json", **dict(site.access.metadata)}
    url = f"http://{site.address}/v1/images/generations"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        (datum,) = json.load(answer)["data"]
    picture = np.asarray(image.open(io.BytesIO(base64.b64decode(datum["b64_json"]))))
    return picture.reshape(signature.output.usual_shape)
