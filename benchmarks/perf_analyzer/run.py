"""litho's load generator against NVIDIA's: `python -m litho.benchmarks.perf_analyzer BUNDLE [BUNDLE ...]`.

Each bundle is deployed as `litho deploy` does. In interleaved rounds, of which every second one is in the other order,
both tools load the same server over the same protocol with the same number of clients. Where there are two or more
cores, the server has its own: a client on the server's cores slows what it measures. A server of one core has one
instance of the model, because two would take turns on it. Written to `results/perf-analyzer.json`.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from ...bundle import Bundle
from ...errors import LithoError
from ...reporting.progress import Progress, quiet
from ...runners import open_runner
from ...runners.triton import Runner as TritonRunner
from ...serving.configuration.settings import ServingSettings
from ...serving.repository.deploy import deploy
from ...serving.server.embedded import EmbeddedServer
from ..load.documents.latency import percentile
from ..load.documents.windows import Load
from ..load.measuring.meter import Meter
from ..load.measuring.requests import Requests
from ..load.scenarios import open_scenario
from ..shared.command import RESULTS, Output, errors_of, finish, show_progress, whole_numbers
from ..shared.cores import Cores, apart, cores_of
from ..shared.machine import describe_machine
from .documents import Compared, PerfAnalyzerResult, Protocol, Round, Side, lines
from .program import PerfAnalyzer, find_perf_analyzer
from .server_count import ServerCount

__all__ = ["compare", "litho_side", "main", "measure_model"]

RESULT = RESULTS / "perf-analyzer.json"
MODEL = "model"
CLIENTS = (1, 8, 32)
PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http")

WARMUP_SECONDS = 0.5
_FIRST_SEED = 2**40


def compare(  # noqa: PLR0913
    path: Path,
    program: str,
    *,
    rounds: int = 5,
    seconds: float = 6.0,
    clients: tuple[int, ...] = CLIENTS,
    cores: Cores | None = None,
    progress: Progress = quiet,
) -> Iterator[Compared]:
    """Measure one bundle with both tools.

    Args:
        path: the bundle's folder.
        program: perf_analyzer.
        rounds: measurements of each tool.
        seconds: length of one.
        clients: numbers of requests to keep in flight.
        cores: of the server, and of both tools; None if they share all.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        LithoError: it cannot be served, or a tool failed.
    """
    bundle = Bundle.load(path)
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "models"
        # Two instances on one core take turns: how many requests share a batch then depends on who asks.
        instances = 1 if cores is not None and len(cores.server) == 1 else None
        settings = ServingSettings(instance_count=instances)
        deployed = deploy(bundle, to=repository, name=MODEL, settings=settings)
        found = measure_model(
            repository,
            MODEL,
            program,
            rounds=rounds,
            seconds=seconds,
            clients=clients,
            cores=cores,
            progress=progress,
        )
    for (protocol, count), taken in found.items():
        yield Compared(
            bundle=bundle.manifest.name,
            variant=deployed.served.variant,
            protocol=protocol,
            clients=count,
            rounds=tuple(taken),
        )


def measure_model(  # noqa: PLR0913
    repository: Path,
    model: str,
    program: str,
    *,
    rounds: int,
    seconds: float,
    clients: tuple[int, ...],
    protocols: tuple[Protocol, ...] = PROTOCOLS,
    cores: Cores | None = None,
    progress: Progress = quiet,
) -> dict[tuple[Protocol, int], list[Round]]:
    """Rounds of both tools on a model of an embedded server, in turns over protocols and numbers of clients.

    Args:
        repository: holds the model; files of the measurement lie beside it.
        model: its name.
        program: perf_analyzer.
        rounds, seconds, clients, cores, progress: as for `compare`.
        protocols: over which requests travel.
    """
    folder = repository.parent
    with (
        apart(EmbeddedServer(repository, log=folder / "log"), cores) as server,
        open_runner(f"{server.grpc_url}/{model}") as runner,
    ):
        addresses: dict[Protocol, str] = {
            "grpc": server.grpc_url.removeprefix("grpc://"),
            "http": server.http_url.removeprefix("http://"),
        }
        requests = Requests(runner.signature, _FIRST_SEED)
        meters: dict[Protocol, Meter] = {
            protocol: Meter(
                runner,
                requests,
                open_scenario("closed-loop"),
                http=addresses["http"] if protocol == "http" else None,
            )
            for protocol in protocols
        }
        theirs = PerfAnalyzer(program, model, addresses, runner.signature, folder)
        assert isinstance(runner, TritonRunner), "it was opened by the server's address"
        counter = partial(ServerCount, runner.statistics)
        return _rounds(
            meters, theirs, counter, rounds=rounds, seconds=seconds, clients=clients, progress=progress
        )


def _rounds(  # noqa: PLR0913
    meters: dict[Protocol, Meter],
    theirs: PerfAnalyzer,
    counter: Callable[[], ServerCount],
    *,
    rounds: int,
    seconds: float,
    clients: tuple[int, ...],
    progress: Progress,
) -> dict[tuple[Protocol, int], list[Round]]:
    found: dict[tuple[Protocol, int], list[Round]] = {}
    positions = list(product(meters, clients))
    for turn in range(rounds):
        for position, (protocol, count) in enumerate(positions):
            progress(
                f"{count} clients, {protocol}", (turn * len(positions) + position) / (rounds * len(positions))
            )
            litho = _litho(meters[protocol], count, seconds, counter)
            perf_analyzer = _perf_analyzer(theirs, (protocol, count), seconds, counter)
            # Who goes first changes: what disturbs the machine for a while meets both.
            if turn % 2 == 0:
                ours, other = litho(), perf_analyzer()
            else:
                other, ours = perf_analyzer(), litho()
            side, in_flight, cpu_us = ours
            taken = Round(litho=side, perf_analyzer=other, in_flight=in_flight, client_cpu_us=cpu_us)
            found.setdefault((protocol, count), []).append(taken)
    return found


def _litho(
    meter: Meter, clients: int, seconds: float, counter: Callable[[], ServerCount]
) -> Callable[[], tuple[Side, float, float]]:
    def measure() -> tuple[Side, float, float]:
        with counter() as counted:
            side, in_flight, cpu_us = litho_side(meter, clients, seconds)
        return _with_counts(side, counted, cpu_us), in_flight, cpu_us

    return measure


def _perf_analyzer(
    theirs: PerfAnalyzer, load: tuple[Protocol, int], seconds: float, counter: Callable[[], ServerCount]
) -> Callable[[], Side]:
    def measure() -> Side:
        before = _children_seconds()
        with counter() as counted:
            side = theirs.measure(*load, seconds)
        cpu_us = (_children_seconds() - before) / max(counted.requests, 1) * 1e6
        return _with_counts(side, counted, cpu_us)

    return measure


def _with_counts(side: Side, counted: ServerCount, client_cpu_us: float) -> Side:
    counts = {
        "server_requests_per_second": counted.per_second,
        "server_mean_batch": counted.mean_batch,
        "server_ms": counted.mean_ms,
        "client_cpu_us": client_cpu_us,
    }
    return side.model_copy(update={name: figure or None for name, figure in counts.items()})


def _children_seconds() -> float:
    """Processor time of programs that this process started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def litho_side(meter: Meter, clients: int, seconds: float) -> tuple[Side, float, float]:
    """Figures of one window, its requests in flight, and the client's microseconds for each.

    Raises:
        LithoError: a request failed: then the tools did not do the same.
    """
    measured = meter.take(Load(concurrency=clients), warmup_seconds=WARMUP_SECONDS, seconds=seconds)
    if measured.errors:
        raise LithoError(
            f"{measured.errors.total()} requests failed; the first error: {next(iter(measured.errors))}"
        )
    side = Side(
        requests_per_second=measured.requests / measured.seconds,
        p50_ms=percentile(measured.latencies_ms, 50),
        p99_ms=percentile(measured.latencies_ms, 99),
    )
    return side, measured.in_flight or 0.0, measured.client_cpu_seconds / measured.requests * 1e6


def main(  # noqa: PLR0913
    bundles: Annotated[list[Path], typer.Argument(help="Bundles.", show_default=False)],
    rounds: Annotated[int, typer.Option(help="Measurements of each tool.", min=1)] = 5,
    seconds: Annotated[float, typer.Option(help="Length of one measurement.", min=0.3)] = 6.0,
    clients: Annotated[str, typer.Option(help="Requests in flight.")] = "1,8,32",
    share_cores: Annotated[
        bool, typer.Option("--share-cores", help="Server and tools share all cores.")
    ] = False,
    program: Annotated[str | None, typer.Option("--perf-analyzer", help="The program.")] = None,
    output: Output = RESULT,
) -> None:
    """Compare both load generators; exit code 1 if a ratio is beyond its bound."""
    with errors_of("perf_analyzer", output):
        found = find_perf_analyzer(program)
        cores = cores_of(share=share_cores)
        counts = tuple(whole_numbers(clients, "--clients"))
        compared = [
            one
            for path in bundles
            for one in compare(
                path,
                found,
                rounds=rounds,
                seconds=seconds,
                clients=counts,
                cores=cores,
                progress=show_progress,
            )
        ]
    names = " ".join(dict.fromkeys(one.bundle for one in compared))
    result = PerfAnalyzerResult(
        command=f"python -m litho.benchmarks.perf_analyzer {names} --rounds {rounds} --seconds {seconds:g}",
        seconds=seconds,
        compared=tuple(compared),
        machine=describe_machine(),
        cores=cores,
    )
    finish(output, result, lines(result), failed=not result.passed)
