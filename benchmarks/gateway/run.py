"""The command: serve bundles, put a gateway before the server, measure part by part."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ...bundle import Bundle
from ...errors import UsageError
from ...reporting.markdown import markdown_table
from ...runners import Endpoint
from ...runners.triton import Runner
from ...serving.configuration.settings import ServingSettings
from ...serving.repository.deploy import deploy
from ..faults.serving import Serving
from ..shared.command import RESULTS, Output, errors_of, finish, show_progress
from ..shared.cores import Cores, apart, cores_of
from ..shared.machine import describe_machine
from .connections import measure_connections
from .documents import GatewayResult, Overhead
from .keys import measure_keys
from .memory import measure_memory
from .overhead import body_of, measure_overhead
from .process import GatewayProcess

__all__ = ["PARTS", "deploy_bundle", "main", "measure", "table"]

RESULT = RESULTS / "gateway.json"
PARTS = ("overhead", "connections", "memory", "keys")


def measure(  # noqa: PLR0913
    bundles: list[Path],
    *,
    parts: tuple[str, ...] = PARTS,
    clients: int = 32,
    rounds: int = 7,
    seconds: float = 8.0,
    requests: int = 50_000,
    idle: int = 500,
    slow: int = 200,
) -> GatewayResult:
    """Measure the gateway before a server of some bundles.

    The overhead is measured twice where this process may use two cores: all sharing all, and the server on its own.

    Args:
        bundles: that are served; connections and memory are measured with the first.
        parts: of `PARTS`.
        clients: requests kept in flight for the overhead.
        rounds: windows of each way.
        seconds: of a window; the connections stay three times as long.
        requests: of the memory part.
        idle, slow: connections of the connections part.

    Raises:
        LithoError: a bundle cannot be served, or the gateway does not answer.
    """
    if unknown := sorted(set(parts) - set(PARTS)):
        raise UsageError(f"there is no part {', '.join(unknown)}; parts are {', '.join(PARTS)}")
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="gateway-") as temporary:
        folder = Path(temporary)
        repository = folder / "repository"
        for path in bundles:
            deploy_bundle(path, repository)
        with _serving(repository, folder) as (server, gateway, runners):
            if "overhead" in parts:
                measured["overhead"] = _overhead(gateway, runners, clients, rounds, seconds)
            if "connections" in parts:
                first = runners[0].signature
                body = body_of(Endpoint.parse(runners[0].url).model, first, first.example(1))
                measured["connections"] = measure_connections(
                    gateway.address, body, idle=idle, slow=slow, seconds=3 * seconds
                )
            if "memory" in parts:
                measured["memory"] = measure_memory(runners[0], gateway, requests, show_progress)
            if "keys" in parts:
                measured["keys"] = measure_keys(server, folder, rounds=200 * rounds)
        cores = cores_of(share=False)
        if "overhead" in parts and cores is not None:
            with _serving(repository, folder, cores) as (_, gateway, runners):
                measured["overhead"] += tuple(
                    one.model_copy(update={"cores": cores})
                    for one in _overhead(gateway, runners, clients, rounds, seconds)
                )
    return GatewayResult(**measured, machine=describe_machine())


@contextmanager
def _serving(
    repository: Path, folder: Path, cores: Cores | None = None
) -> Iterator[tuple[str, GatewayProcess, list[Runner]]]:
    """A server, a gateway before it, and runners of the server's models; with `cores`, the server has its own."""
    with (
        apart(Serving(repository, folder), cores) as serving,
        GatewayProcess(serving.endpoint.rpartition("/")[0], folder / "gateway.log") as gateway,
        ExitStack() as stack,
    ):
        runners = [_runner(endpoint) for endpoint in dict.fromkeys(serving.addresses["endpoints"])]
        for runner in runners:
            stack.callback(runner.close)
        yield serving.endpoint.rpartition("/")[0], gateway, runners


def _overhead(
    gateway: GatewayProcess, runners: list[Runner], clients: int, rounds: int, seconds: float
) -> tuple[Overhead, ...]:
    return tuple(
        measure_overhead(
            runner, gateway, clients=clients, rounds=rounds, seconds=seconds, progress=show_progress
        )
        for runner in runners
    )


def deploy_bundle(path: Path, repository: Path) -> None:
    """Deploy a bundle as it is served best: a sampler in flight, everything else in whole requests."""
    bundle = Bundle.load(path)
    batching = "in-flight" if bundle.manifest.sampler is not None else "whole"
    deploy(bundle, to=repository, settings=ServingSettings(batching=batching))


def _runner(url: str) -> Runner:
    endpoint = Endpoint.parse(url)
    return Runner(endpoint.address, endpoint.model, endpoint.version)


def table(result: GatewayResult) -> list[str]:
    """Tables in Markdown: the ways to each model, then one line for each other part."""
    lines: list[str] = []
    for overhead in result.overhead:
        lines += [f"{overhead.name}, {overhead.clients} clients", "", *_ways(overhead), ""]
    if (held := result.connections) is not None:
        lines.append(
            f"{held.idle_held} of {held.idle} idle connections held, slow ones: {held.slow_outcomes};"
            f" p50 {held.p50_before_ms:.1f} ms before and {held.p50_meanwhile_ms:.1f} ms meanwhile"
        )
    if (memory := result.memory) is not None:
        lines.append(f"memory grew by {memory.growth:.1%} over {memory.requests:,} requests")
    for times in result.keys:
        medians = ", ".join(f"{kind} {time:.2f}" for kind, time in times.median_us.items())
        lines.append(f"keys, {times.where}: median us {medians}")
    return lines


def _ways(overhead: Overhead) -> list[str]:
    rows = []
    for name, ways in overhead.rounds.items():
        middle = sorted(ways, key=lambda one: one.throughput)[len(ways) // 2]
        rows.append(
            (
                name,
                f"{middle.throughput:.0f}",
                str(overhead.throughput.get(name, "")),
                f"{middle.p50_ms:.1f}",
                f"{overhead.p50_more_ms[name]:+.1f}" if name in overhead.p50_more_ms else "",
                f"{middle.gateway_cpu_ms:.2f}",
            )
        )
    head = ("way", "images/s", "of direct", "p50 (ms)", "more (ms)", "gateway CPU (ms/picture)")
    return [*markdown_table(head, rows), "", f"PNG: {overhead.png_ms:.2f} ms of processor time a picture"]


def main(  # noqa: PLR0913
    bundles: Annotated[list[Path], typer.Argument(help="Bundles that are served.", show_default=False)],
    only: Annotated[str, typer.Option(help="Parts, separated by commas.")] = ",".join(PARTS),
    clients: Annotated[int, typer.Option(help="Requests in flight for the overhead.")] = 32,
    rounds: Annotated[int, typer.Option(help="Windows of each way.")] = 7,
    seconds: Annotated[float, typer.Option(help="Length of a window.")] = 8.0,
    requests: Annotated[int, typer.Option(help="Requests of the memory part.")] = 50_000,
    output: Output = RESULT,
) -> None:
    """Measure the gateway beside direct gRPC."""
    with errors_of("gateway", output):
        result = measure(
            bundles,
            parts=tuple(part.strip() for part in only.split(",")),
            clients=clients,
            rounds=rounds,
            seconds=seconds,
            requests=requests,
        )
    finish(output, result, [*table(result), *result.problems], failed=bool(result.problems))
