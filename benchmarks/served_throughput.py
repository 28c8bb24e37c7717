"""Served against in-process throughput: `python -m litho.benchmarks.served_throughput BUNDLE [BUNDLE ...]`.

Each bundle is deployed as `litho deploy` does, and a load generator in a process of its own keeps 32 requests in
flight: NVIDIA's perf_analyzer if there is one (`--perf-analyzer`, PERF_ANALYZER or PATH), else `litho bench`. In turns
with it, the same variant runs in this process on all cores, at the mean batch that the server has just formed. The
time from the start of the server to the first answer is taken too. Written to `results/served-throughput.json`.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..bundle import Bundle
from ..bundle.json_documents import Document
from ..errors import LithoError, UsageError
from ..extras import require
from ..reporting.markdown import markdown_table
from ..runners import Runner, open_runner
from ..serving.clients.client import Client
from ..serving.repository.deploy import deploy
from ..serving.repository.versions import served_config
from ..serving.server.embedded import EmbeddedServer
from ..signature import Signature
from .cold_start.run import server_start_seconds
from .perf_analyzer.program import perf_analyzer_rows
from .shared.command import RESULTS, errors_of, finish
from .shared.machine import Machine, describe_machine

__all__ = ["Round", "Served", "ServedThroughput", "main", "measure", "table"]

RESULT = RESULTS / "served-throughput.json"
COLD_STARTS = 3
_TRIAL_REQUESTS = 1000
_POLL_SECONDS = 0.05
_ROWS = 64


class Round(Document):
    """One turn of the server and one of this process.

    Args:
        served: pictures per second through the server.
        in_process: pictures per second of the runner in this process, at the batch that the server formed.
        mean_batch: pictures in a batch of the server.
        cpu_ms: part -> processor time for one picture, in milliseconds: "in process", "stubs", "server" and
            "load generator". Unlike throughput it hardly depends on what else the machine does.
    """

    served: float
    in_process: float
    mean_batch: float
    cpu_ms: dict[str, float]

    @property
    def ratio(self) -> float:
        """Served / in process."""
        return self.served / self.in_process


class Served(Document):
    """One bundle.

    Args:
        name: of the bundle.
        variant: that was served.
        instances: of the model.
        threads: of each instance.
        at_least: the ratio that was asked for; None for none.
        rounds: in the order of measurement.
        cold_start_seconds: from the start of the server to the first answer, of each start.
    """

    name: str
    variant: str
    instances: int
    threads: str
    at_least: float | None
    rounds: tuple[Round, ...]
    cold_start_seconds: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median over the rounds of served / in process."""
        return statistics.median(one.ratio for one in self.rounds)

    @property
    def passed(self) -> bool:
        """Whether the ratio is at least what was asked for."""
        return self.at_least is None or self.ratio >= self.at_least


class ServedThroughput(Document):
    """All bundles; written as `served-throughput.json`.

    Args:
        schema_version: of this document.
        generator: "perf_analyzer" or "litho bench".
        clients: requests kept in flight.
        bundles: in the order given.
        machine: where they were measured.
    """

    schema_version: Literal[1] = 1
    generator: str
    clients: int
    bundles: tuple[Served, ...]
    machine: Machine


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
            load = _Load(server, local.signature, Path(folder), clients, perf_analyzer)
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


class _Load:
    """The load generator: one call is one process.

    Args:
        server: that serves the model "model".
        signature: of the model.
        folder: for the files of perf_analyzer.
        clients: requests kept in flight.
        program: perf_analyzer; None for `litho bench`.
    """

    def __init__(
        self, server: EmbeddedServer, signature: Signature, folder: Path, clients: int, program: str | None
    ) -> None:
        self._endpoint = f"{server.grpc_url}/model"
        self._address = server.grpc_url.removeprefix("grpc://")
        self._clients, self._program = clients, program
        self._process = require("psutil", "bench").Process(server.process_id)
        self._data, self._report = folder / "data.json", folder / "report.txt"
        self._data.write_text(json.dumps({"data": perf_analyzer_rows(signature, _ROWS)}))

    def run(self, requests: int, seconds: float = 1.0) -> tuple[float, float, dict[str, float]]:
        """Pictures per second, mean batch of the server, and processor seconds of each part for one picture.

        Args:
            requests: number of requests, which perf_analyzer takes.
            seconds: length of the measurement, which `litho bench` takes.
        """
        with Client(self._endpoint) as client:
            before, times = client.statistics(), self._cpu_seconds()
            served = self._perf_analyzer(requests, client) if self._program else self._bench(seconds)
            counted = client.statistics() - before
        spent = {part: after - times[part] for part, after in self._cpu_seconds().items()}
        return served, counted.mean_batch, {part: took / counted.inferences for part, took in spent.items()}

    def _perf_analyzer(self, requests: int, client: Client) -> float:
        options = ["-i", "grpc", "-a", "--concurrency-range", str(self._clients)]
        options += ["--request-count", str(requests), "--input-data", str(self._data)]
        # Its own throughput is rounded to whole seconds, and a report with times also holds every picture: the server
        # counts what it has answered.
        counts: list[tuple[float, int]] = []
        command = [str(self._program), "-m", "model", "-u", self._address, *options]
        with self._report.open("w+") as report:
            with subprocess.Popen(command, stdout=report, stderr=subprocess.STDOUT) as running:
                while running.poll() is None:
                    counts.append((time.perf_counter(), client.statistics().inferences))
                    time.sleep(_POLL_SECONDS)
            report.seek(0)
            _check_ended(command[0], running.returncode, report.read())
        first, last = counts[0][1], counts[-1][1]
        margin = (last - first) // 10
        inner = [(moment, count) for moment, count in counts if first + margin <= count <= last - margin]
        if len(inner) < 2:
            raise LithoError(f"{requests} requests ended too soon to be measured; give more --seconds")
        return (inner[-1][1] - inner[0][1]) / (inner[-1][0] - inner[0][0])

    def _bench(self, seconds: float) -> float:
        options = ["--concurrency", str(self._clients), "--seconds", str(seconds), "--json"]
        said = _said([sys.executable, "-P", "-m", "litho", "bench", self._endpoint, *options])
        windows = [window for point in json.loads(said)["points"] for window in point["windows"]]
        return sum(window["images"] for window in windows) / sum(window["seconds"] for window in windows)

    def _cpu_seconds(self) -> dict[str, float]:
        children = self._process.children(recursive=True)
        own = os.times()
        return {
            "server": sum(self._process.cpu_times()[:2]),
            "stubs": sum(sum(child.cpu_times()[:2]) for child in children),
            "load generator": own.children_user + own.children_system,
        }


def _round(load: _Load, local: Runner, requests: int, seconds: float) -> Round:
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


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    _check_ended(command[0], done.returncode, done.stderr + done.stdout)
    return done.stdout


def _check_ended(program: str, code: int, said: str) -> None:
    if code:
        lines = [line for line in said.splitlines() if line.strip()]
        # perf_analyzer prints its help after the error.
        decisive = next(
            (line for line in lines if "error" in line.lower()), (lines or ["it said nothing"])[-1]
        )
        raise LithoError(f"{Path(program).name} failed: {decisive.strip()}")


def table(result: ServedThroughput) -> list[str]:
    """A table in Markdown, one line for each bundle: medians over the rounds."""
    rows = []
    for one in result.bundles:
        served, local, batch = (
            statistics.median(getattr(each, name) for each in one.rounds)
            for name in ("served", "in_process", "mean_batch")
        )
        low, high = (pick(each.ratio for each in one.rounds) for pick in (min, max))
        wanted = "" if one.at_least is None else f"{one.at_least:.2f}"
        cold = f"{statistics.median(one.cold_start_seconds):.2f}"
        ratio = f"{one.ratio:.2f} ({low:.2f} to {high:.2f})"
        rows.append((one.name, f"{served:,.0f}", f"{local:,.0f}", f"{batch:.1f}", ratio, wanted, cold))
    heads = ("bundle", "served images/s", "in process", "batch", "ratio", "at least", "cold start, s")
    return markdown_table(heads, rows)


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
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULT,
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


if __name__ == "__main__":
    typer.run(main)
