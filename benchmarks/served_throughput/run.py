"""Served against in-process throughput: `python -m litho.benchmarks.served_throughput BUNDLE [BUNDLE ...]`.

Each bundle is deployed as `litho deploy` does, and a load generator in a process of its own keeps 32 requests in
flight: NVIDIA's perf_analyzer if there is one (`--perf-analyzer`, PERF_ANALYZER or PATH), else `litho bench`. In turns
with it, the same variant runs in this process on all cores, at the mean batch that the server has just formed. The
time from the start of the server to the first answer is taken too. Written to `results/served-throughput.json`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ...bundle import Bundle
from ...errors import UsageError
from ...runners import Runner, open_runner
from ...serving.repository.deploy import deploy
from ...serving.repository.versions import served_config
from ...serving.server.embedded import EmbeddedServer
from ..cold_start.run import server_start_seconds
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.machine import describe_machine
from .documents import Round, Served, ServedThroughput, table
from .load import Load

__all__ = ["main", "measure"]

RESULT = RESULTS / "served-throughput.json"
COLD_STARTS = 3
_TRIAL_REQUESTS = 1000


def measure(  # noqa: PLR0913
    path: Path,
    *,
    at_least: float | None = None,
    rounds: int = 7,
    seconds: float = 6.0,
    clients: int = 32,
    perf_analyzer: str | None = None,
    settings: Mapping[str, int] | None = None,
) -> Served:
    """Measure one bundle.

    Args:
        path: the bundle's folder.
        at_least: ratio of throughputs that is asked for.
        rounds: turns of each side.
        seconds: length of a turn, about.
        clients: requests kept in flight.
        perf_analyzer: the program; None for `litho bench`.
        settings: of the deployment, where they differ from those of `litho deploy`: name -> value.

    Raises:
        LithoError: something cannot be served, or a request failed.
    """
    bundle = Bundle.load(path)
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "models"
        deployment = deploy(bundle, to=repository, name="model", settings=settings or {})
        variant = deployment.served.variant
        config = served_config(deployment.path)
        cold = [server_start_seconds(repository, Path(folder) / "log") for _ in range(COLD_STARTS)]
        with (
            open_runner(bundle, variant) as local,
            EmbeddedServer(repository, log=Path(folder) / "log") as server,
        ):
            load = Load(server, local.signature, Path(folder), clients, perf_analyzer)
            expected = load.run(_TRIAL_REQUESTS)[0]
            taken = [
                _round(load, local, max(clients, int(expected * seconds)), seconds) for _ in range(rounds)
            ]
    return Served(
        name=bundle.manifest.name,
        variant=variant,
        instances=sum(group.count for group in config.instance_group),
        threads=config.parameters["litho_threads"].string_value or "its share of the cores",
        at_least=at_least,
        rounds=tuple(taken),
        cold_start_seconds=tuple(cold),
    )


def _round(load: Load, local: Runner, requests: int, seconds: float) -> Round:
    served, mean_batch, spent = load.run(requests, seconds)
    batch = min(max(1, round(mean_batch)), local.max_batch_size)
    inputs = local.signature.example(batch)
    local.run(inputs)
    start, spent_before, pictures = time.perf_counter(), time.process_time(), 0
    while (took := time.perf_counter() - start) < seconds:
        local.run(inputs)
        pictures += batch
    spent["in process"] = (time.process_time() - spent_before) / pictures
    return Round(
        served=served,
        in_process=pictures / took,
        mean_batch=mean_batch,
        cpu_ms={part: one * 1e3 for part, one in spent.items()},
    )


def main(  # noqa: PLR0913
    bundles: Annotated[list[Path], typer.Argument(help="Bundles.", show_default=False)],
    at_least: Annotated[
        list[float] | None, typer.Option(help="Ratio asked of each bundle, in order.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Turns of each side.", min=1)] = 7,
    seconds: Annotated[float, typer.Option(help="Length of a turn.")] = 6.0,
    clients: Annotated[int, typer.Option(help="Requests in flight.", min=1)] = 32,
    instances: Annotated[int | None, typer.Option(help="Instances of the model.", min=1)] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of an instance.", min=1)] = None,
    perf_analyzer: Annotated[str | None, typer.Option(envvar="PERF_ANALYZER", help="The program.")] = None,
    output: Output = RESULT,
) -> None:
    """Measure what serving costs; exit code 1 if a ratio is below what was asked for."""
    program = perf_analyzer or shutil.which("perf_analyzer")
    given = {"instance_count": instances, "threads": threads}
    settings = {name: value for name, value in given.items() if value is not None}
    with errors_of("served_throughput", output):
        if at_least and len(at_least) != len(bundles):
            raise UsageError(
                f"--at-least was given {len(at_least)} times; give it once for each bundle, or never"
            )
        measured = tuple(
            measure(
                path,
                at_least=wanted,
                rounds=rounds,
                seconds=seconds,
                clients=clients,
                perf_analyzer=program,
                settings=settings,
            )
            for path, wanted in zip(bundles, at_least or [None] * len(bundles), strict=True)
        )
    result = ServedThroughput(
        generator="perf_analyzer" if program else "litho bench",
        clients=clients,
        bundles=measured,
        machine=describe_machine(),
    )
    finish(output, result, table(result), failed=not all(one.passed for one in measured))
