"""litho's load generator against NVIDIA's: `python -m litho.benchmarks.perf_analyzer BUNDLE [BUNDLE ...]`.

Each bundle is deployed as `litho deploy` does. In interleaved rounds, of which every second one is in the other order,
both tools load the same server over the same protocol with the same number of clients. Written to
`results/perf-analyzer.json`.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import typer

from ..bundle import Bundle
from ..bundle.json_documents import Document
from ..errors import LithoError
from ..reporting.markdown import markdown_table
from ..reporting.progress import Progress, quiet
from ..runners import open_runner
from ..runners.triton import Runner as TritonRunner
from ..serving.repository.deploy import deploy
from ..serving.server.embedded import EmbeddedServer
from .command import errors_of, whole_numbers, write_document
from .load.documents.latency import percentile
from .load.documents.windows import Load
from .load.measuring.meter import Meter
from .load.measuring.requests import Requests
from .load.scenarios import open_scenario
from .machine import Machine, describe_machine
from .perf_analyzer_run import PerfAnalyzer, Protocol, Side, find_perf_analyzer
from .server_count import ServerCount

__all__ = ["Compared", "PerfAnalyzerResult", "Round", "compare", "lines", "litho_side", "main"]

RESULT = Path(__file__).resolve().parent / "results" / "perf-analyzer.json"
MODEL = "model"
CLIENTS = (1, 8, 32)
PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http")

NEAR, NEAR_P99, HELD = 0.05, 0.15, 0.98
"""How far ratios of throughput and p50, and of p99, may be from 1; share of the clients that is kept in flight."""
WARMUP_SECONDS = 0.5
_FIRST_SEED = 2**40


class Round(Document):
    """Both tools, one after the other.

    Args:
        litho, perf_analyzer: what each measured.
        in_flight: requests that litho kept in flight, on the average.
        client_cpu_us: processor time of litho's load generator for one request, in microseconds.
    """

    litho: Side
    perf_analyzer: Side
    in_flight: float
    client_cpu_us: float

    def ratio(self, figure: str) -> float:
        """litho / perf_analyzer."""
        return getattr(self.litho, figure) / getattr(self.perf_analyzer, figure)


class Compared(Document):
    """One bundle over one protocol with one number of clients.

    Args:
        bundle: its name.
        variant: that was served.
        protocol: "grpc" or "http".
        clients: requests to keep in flight.
        rounds: in the order of measurement.
    """

    bundle: str
    variant: str
    protocol: Protocol
    clients: int
    rounds: tuple[Round, ...]

    def ratio(self, figure: str) -> float:
        """Median over the rounds of litho / perf_analyzer."""
        return median(one.ratio(figure) for one in self.rounds)

    def server_ratio(self) -> float | None:
        """Median of litho / perf_analyzer as the server counts both; None in documents of older releases."""
        pairs = [
            (one.litho.server_requests_per_second, one.perf_analyzer.server_requests_per_second)
            for one in self.rounds
        ]
        ratios = [ours / theirs for ours, theirs in pairs if ours is not None and theirs is not None]
        return median(ratios) if ratios else None

    def their_cpu_us(self) -> float | None:
        """Median of perf_analyzer's processor time for a request, in microseconds; None in older documents."""
        known = [one.perf_analyzer.client_cpu_us for one in self.rounds]
        return median(filter(None, known)) if any(known) else None

    @property
    def in_flight(self) -> float:
        """Median share of the clients that litho kept in flight."""
        return median(one.in_flight for one in self.rounds) / self.clients

    @property
    def misses(self) -> tuple[str, ...]:
        """What is beyond its bound; empty if everything is within."""
        bounds = {"requests_per_second": NEAR, "p50_ms": NEAR, "p99_ms": NEAR_P99}
        found = [
            f"{figure} {self.ratio(figure):.3f}, not within {bound:.0%}"
            for figure, bound in bounds.items()
            if not abs(self.ratio(figure) - 1) <= bound
        ]
        if self.clients > 1 and self.in_flight < HELD:
            found.append(f"{self.in_flight:.3f} of the clients in flight, below {HELD}")
        return tuple(found)


class PerfAnalyzerResult(Document):
    """All comparisons; written as `perf-analyzer.json`.

    Args:
        schema_version: of this document.
        command: that made it, without paths.
        seconds: length of each measurement.
        compared: of all bundles, protocols and numbers of clients.
        machine: where they were measured.
    """

    schema_version: Literal[1] = 1
    command: str
    seconds: float
    compared: tuple[Compared, ...]
    machine: Machine

    @property
    def passed(self) -> bool:
        """Whether everything is within its bounds."""
        return not any(one.misses for one in self.compared)


def compare(
    path: Path,
    program: str,
    *,
    rounds: int = 5,
    seconds: float = 6.0,
    clients: tuple[int, ...] = CLIENTS,
    progress: Progress = quiet,
) -> Iterator[Compared]:
    """Measure one bundle with both tools.

    Args:
        path: the bundle's folder.
        program: perf_analyzer.
        rounds: measurements of each tool.
        seconds: length of one.
        clients: numbers of requests to keep in flight.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        LithoError: it cannot be served, or a tool failed.
    """
    bundle = Bundle.load(path)
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "models"
        deployed = deploy(bundle, to=repository, name=MODEL)
        found = measure_model(
            repository,
            MODEL,
            program,
            rounds=rounds,
            seconds=seconds,
            clients=clients,
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
    progress: Progress = quiet,
) -> dict[tuple[Protocol, int], list[Round]]:
    """Rounds of both tools on a model of an embedded server, in turns over protocols and numbers of clients.

    Args:
        repository: holds the model; files of the measurement lie beside it.
        model: its name.
        program: perf_analyzer.
        rounds, seconds, clients, progress: as for `compare`.
        protocols: over which requests travel.
    """
    folder = repository.parent
    with (
        EmbeddedServer(repository, log=folder / "log") as server,
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
        counter = partial(ServerCount, lambda: runner.statistics().requests)
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
        own = {"server_requests_per_second": counted.per_second or None, "client_cpu_us": cpu_us}
        return side.model_copy(update=own), in_flight, cpu_us

    return measure


def _perf_analyzer(
    theirs: PerfAnalyzer, load: tuple[Protocol, int], seconds: float, counter: Callable[[], ServerCount]
) -> Callable[[], Side]:
    def measure() -> Side:
        before = _children_seconds()
        with counter() as counted:
            side = theirs.measure(*load, seconds)
        cpu_us = (_children_seconds() - before) / max(counted.requests, 1) * 1e6
        own = {"server_requests_per_second": counted.per_second or None, "client_cpu_us": cpu_us}
        return side.model_copy(update=own)

    return measure


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


def lines(result: PerfAnalyzerResult) -> list[str]:
    """A table in Markdown: medians over the rounds of litho / perf_analyzer."""
    rows = [
        (
            one.bundle,
            one.protocol,
            str(one.clients),
            f"{median(each.perf_analyzer.requests_per_second for each in one.rounds):,.0f}",
            *(f"{one.ratio(figure):.3f}" for figure in ("requests_per_second", "p50_ms", "p99_ms")),
            f"{one.in_flight:.3f}",
            f"{median(each.client_cpu_us for each in one.rounds):.0f}",
            _known(one.their_cpu_us(), ".0f"),
            _known(one.server_ratio(), ".3f"),
            "; ".join(one.misses) or "within",
        )
        for one in result.compared
    ]
    heads = (
        "bundle",
        "protocol",
        "clients",
        "perf_analyzer, requests/s",
        "throughput",
        "p50",
        "p99",
        "in flight",
    )
    more = ("client CPU, µs", "perf_analyzer's CPU, µs", "throughput by the server's count", "bounds")
    return markdown_table((*heads, *more), rows)


def _known(figure: float | None, form: str) -> str:
    return "" if figure is None else format(figure, form)


def main(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles.", show_default=False)],
    rounds: Annotated[int, typer.Option(help="Measurements of each tool.", min=1)] = 5,
    seconds: Annotated[float, typer.Option(help="Length of one measurement.", min=0.3)] = 6.0,
    clients: Annotated[str, typer.Option(help="Requests in flight.")] = "1,8,32",
    program: Annotated[str | None, typer.Option("--perf-analyzer", help="The program.")] = None,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULT,
) -> None:
    """Compare both load generators; exit code 1 if a ratio is beyond its bound."""
    with errors_of("perf_analyzer"):
        found = find_perf_analyzer(program)
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
                progress=lambda step, share: typer.echo(f"{step} {share:.0%}", err=True),
            )
        ]
    names = " ".join(dict.fromkeys(one.bundle for one in compared))
    result = PerfAnalyzerResult(
        command=f"python -m litho.benchmarks.perf_analyzer {names} --rounds {rounds} --seconds {seconds:g}",
        seconds=seconds,
        compared=tuple(compared),
        machine=describe_machine(),
    )
    write_document(output, result)
    typer.echo("\n".join(lines(result)))
    raise typer.Exit(0 if result.passed else 1)


if __name__ == "__main__":
    typer.run(main)
