"""How time and throughput grow: `python -m litho.benchmarks.growth RUN_OR_BUNDLE ...`.

In this process, each generator's time against pictures in a batch (1 to 256); with a free size, against the pixels of
a picture; with a sampler, against steps. Then the first generator of one graph behind the embedded server: throughput
and latency against clients (1 to 64), and throughput, memory and start against the number of models that the server
holds (1 to 8, with the same clients in all). Each is fitted by a power law (`power_law`). Written to
`results/growth.json`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ...bundle import MANIFEST_NAME, Bundle
from ...errors import UsageError
from ...export.build import export
from ...export.source import from_run
from ...export.timing import in_turns
from ...extras import require
from ...reporting.progress import Progress, quiet
from ...runners import Runner, open_runner
from ...runners.base import thread_count
from ...serving.repository.deploy import deploy
from ...serving.server.embedded import EmbeddedServer
from ...signature.fields import Field, Role
from ..load.documents.result import BenchResult
from ..load.sweep import bench
from ..shared.command import RESULTS, Output, errors_of, finish, show_progress
from ..shared.environment import utc_now
from ..shared.machine import describe_machine
from .series import Against, GrowthResult, Series, rows

__all__ = ["Plan", "against_clients", "doubling", "in_process", "main", "measure_growth"]

RESULT = RESULTS / "growth.json"

_LEAST_RUNS, _MOST_RUNS = 5, 40
_MOST_SECONDS = 8.0
"""That five runs may take: what grows is then measured no further."""

_MOST_SIDES = 6
_LARGEST_STEPS = 64
_CLIENTS_OF_MODELS = 8


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Args:
        seconds: of each point.
        largest_batch, most_clients, most_models: ends of the ranges, which double from 1; 0 leaves a range out.
        threads: of each runtime in this process; None for one on each core.
        bundles: where exported runs are kept and found again; None for a temporary folder.
    """

    seconds: float = 2.0
    largest_batch: int = 256
    most_clients: int = 64
    most_models: int = 8
    threads: int | None = None
    bundles: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise UsageError(f"seconds was given {self.seconds}; it takes a positive number")
        for name in ("most_clients", "most_models"):
            if getattr(self, name) == 1:
                raise UsageError(
                    f"{name} was given 1, from which nothing grows; it takes 2 or more, or 0 for none"
                )


def doubling(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`."""
    return [1 << power for power in range(most.bit_length()) if 1 << power <= most]


def measure_growth(
    targets: Sequence[Path], plan: Plan, command: str, progress: Progress = quiet
) -> GrowthResult:
    """Measure every series that the generators allow.

    Args:
        targets: folders of bundles, or of runs, which are exported in FP32 first, with a free size where they can be.
        plan: how to measure.
        command: that the document names.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        UsageError: a target is neither.
        LithoError: a generator cannot be exported, opened or served.
    """
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        bundles = []
        for target in targets:
            progress(f"exporting {target.name}", 0.0)
            bundles.append(_bundle_of(target, plan.bundles or Path(folder)))
        begun, series = time.perf_counter(), []
        for number, bundle in enumerate(bundles):
            progress(f"measuring {bundle.manifest.name}", number / (len(bundles) + 1))
            with open_runner(bundle, threads=plan.threads) as runner:
                series += in_process(runner, bundle.manifest.name, plan)
        served = [bundle for bundle in bundles if bundle.manifest.sampler is None]
        if served and plan.most_clients:
            progress("measuring against clients", len(bundles) / (len(bundles) + 1))
            with _serving(served[0], 1, Path(folder)) as ((endpoint,), _, _):
                series += against_clients(endpoint, served[0].manifest.name, plan)
        if served and plan.most_models:
            progress("measuring against models", len(bundles) / (len(bundles) + 1))
            series += _against_models(served[0], plan, Path(folder))
    return GrowthResult(
        command=command,
        measured_at=utc_now(),
        seconds=time.perf_counter() - begun,
        threads=thread_count(plan.threads),
        machine=describe_machine(),
        series=tuple(series),
    )


def _bundle_of(target: Path, folder: Path) -> Bundle:
    if (target / MANIFEST_NAME).exists():
        return Bundle.load(target)
    if not (target / "snapshot.json").exists():
        raise UsageError(
            f"{str(target)!r} is no bundle and no run; make one with 'litho export' or 'litho train'"
        )
    pipeline = from_run(target).pipeline
    resizable = (
        pipeline.model.generator.sides() is not None and pipeline.signature.field(Role.IMAGE) is not None
    )
    name = f"{target.name}-free" if resizable else target.name
    return export(target, to=folder / name, size="free" if resizable else None, timed=False)


def in_process(runner: Runner, name: str, plan: Plan) -> list[Series]:
    """Time against the batch, and against steps and pixels where the generator has them.

    Args:
        runner: of the generator, in this process.
        name: of the generator.
        plan: how to measure.
    """
    example = runner.signature.example
    wanted: list[tuple[Against, str, Mapping[int, Callable[[], Mapping[str, Any]]]]] = [
        (
            "batch",
            "milliseconds of a batch",
            {size: partial(example, size) for size in doubling(plan.largest_batch)},
        )
    ]
    for field in runner.signature.inputs:
        if field.role is Role.STEPS:
            makes = {count: partial(_with_steps, runner, field, count) for count in _steps(field)}
            wanted.append(("steps", "milliseconds of a picture", makes))
    if (field := runner.signature.sized_by) is not None:
        makes = {side * side: partial(_with_side, runner, side) for side in _sides(field)}
        wanted.append(("pixels", "milliseconds of a picture", makes))
    found = []
    for against, quantity, makes in wanted:
        measured, left_out = _times(runner, makes, plan.seconds)
        if len(measured) > 1:
            facts = {"against": against, "quantity": quantity, "left_out": left_out}
            found.append(Series.of(measured, name=name, form=runner.description, **facts))
    return found


def _steps(field: Field) -> list[int]:
    return [count for count in doubling(_LARGEST_STEPS) if count <= (field.maximum or count)]


def _with_steps(runner: Runner, field: Field, count: int) -> dict[str, Any]:
    inputs = runner.signature.example(1)
    return inputs | {field.name: np.full_like(inputs[field.name], count)}


def _sides(field: Field) -> list[int]:
    """Sides of the pictures that come in, each about 1.4 times the one before it, around the usual one."""
    (usual, _) = field.usual_size or (field.least_side or 1, 0)
    wished = (field.nearest_side(round(usual * 2 ** (power / 2))) for power in range(-2, _MOST_SIDES - 2 + 1))
    return list(dict.fromkeys(wished))


def _with_side(runner: Runner, side: int) -> dict[str, Any]:
    return runner.signature.with_size(side, side).example(1)


def _times(
    runner: Runner, makes: Mapping[int, Callable[[], Mapping[str, Any]]], seconds: float
) -> tuple[dict[int, list[float]], str]:
    """x -> milliseconds of runs, taken in turns; and which x were left out.

    Args:
        runner: to time.
        makes: x -> makes the inputs.
        seconds: of each x; beyond one whose five runs take more than `_MOST_SECONDS`, larger ones are left out.
    """
    inputs: dict[int, Mapping[str, Any]] = {}
    left_out = ""
    for x, make in makes.items():
        given = make()
        runner.run(given)  # the first run of a shape allocates
        inputs[x] = given
        rest = [other for other in makes if other > x]
        if rest and _LEAST_RUNS * runner.seconds(given) > _MOST_SECONDS / 2:
            left_out = f"{', '.join(map(str, rest))}: five runs take more than {_MOST_SECONDS:g} s"
            break
    found: dict[int, list[float]] = {x: [] for x in inputs}

    def turn(x: int) -> None:
        if len(found[x]) < _LEAST_RUNS or sum(found[x]) < seconds * 1e3:
            found[x].append(runner.seconds(inputs[x]) * 1e3)

    turns = in_turns({str(x): partial(turn, x) for x in inputs}, alternate=True)
    for _ in islice(turns, _MOST_RUNS):
        pass
    return found, left_out


@contextmanager
def _serving(bundle: Bundle, models: int, folder: Path) -> Iterator[tuple[list[str], EmbeddedServer, float]]:
    """Endpoints of a server that serves a bundle several times, the server, and the seconds that it took to start."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        repository = Path(made) / "models"
        names = [f"model-{number}" for number in range(models)]
        for name in names:
            deploy(bundle, to=repository, name=name)
        begun = time.perf_counter()
        with EmbeddedServer(repository, log=Path(made) / "log") as server:
            yield [f"{server.grpc_url}/{name}" for name in names], server, time.perf_counter() - begun


def against_clients(endpoint: str, name: str, plan: Plan) -> list[Series]:
    """Throughput and latency of an endpoint by the clients that keep one request in flight each.

    Args:
        endpoint: of a model, grpc://HOST:PORT/MODEL.
        name: of the generator.
        plan: how to measure.
    """
    clients = doubling(plan.most_clients)
    result = bench(endpoint, concurrency=clients, seconds=plan.seconds * len(clients) * 3, rounds=3)
    facts = {"name": name, "form": result.variant, "against": "clients"}
    return [
        Series.of(
            {point.load.concurrency: take(point.windows) for point in result.points},
            quantity=quantity,
            **facts,
        )
        for quantity, take in (("images a second", _rates), ("milliseconds of a request, median", _halves))
    ]


def _rates(windows: Sequence[Any]) -> list[float]:
    return [window.images_per_second for window in windows]


def _halves(windows: Sequence[Any]) -> list[float]:
    return [window.latency.p50_ms for window in windows]


def _against_models(bundle: Bundle, plan: Plan, folder: Path) -> list[Series]:
    """Throughput of all models together, memory of the server with its stubs, and seconds of its start."""
    rates: dict[int, list[float]] = {}
    memory: dict[int, list[float]] = {}
    starts: dict[int, list[float]] = {}
    variant = ""
    for count in doubling(plan.most_models):
        with _serving(bundle, count, folder) as (endpoints, server, seconds):
            clients = max(1, _CLIENTS_OF_MODELS // count)
            run = partial(bench, concurrency=[clients], seconds=plan.seconds * 3, rounds=3)
            with ThreadPoolExecutor(count) as pool:
                results: list[BenchResult] = list(pool.map(run, endpoints))
            windows = zip(*(result.points[0].windows for result in results), strict=True)
            rates[count] = [sum(_rates(together)) for together in windows]
            memory[count] = [_resident(server.process_id) / 2**20]
            starts[count], variant = [seconds], results[0].variant
    facts = {"name": bundle.manifest.name, "form": variant, "against": "models"}
    return [
        Series.of(measured, quantity=quantity, **facts)
        for quantity, measured in (
            (f"images a second, {_CLIENTS_OF_MODELS} clients", rates),
            ("MiB of the server and its stubs", memory),
            ("seconds of the server's start", starts),
        )
    ]


def _resident(process_id: int) -> float:
    """Bytes in memory of a process and its children."""
    process = require("psutil", "bench").Process(process_id)
    return float(sum(one.memory_info().rss for one in (process, *process.children(recursive=True))))


def main(  # noqa: PLR0913
    targets: Annotated[list[Path], typer.Argument(help="Runs or bundles.", show_default=False)],
    seconds: Annotated[float, typer.Option(help="Of each point.")] = 2.0,
    largest_batch: Annotated[int, typer.Option(help="Pictures of the largest batch.", min=2)] = 256,
    most_clients: Annotated[int, typer.Option(help="Of the server; 0 for no server.", min=0)] = 64,
    most_models: Annotated[int, typer.Option(help="In the server; 0 for none.", min=0)] = 8,
    threads: Annotated[
        int | None, typer.Option(help="Of each runtime; default: one on each core.", min=1)
    ] = None,
    bundles: Annotated[
        Path | None, typer.Option(help="Folder that keeps the exports of runs; they are found again.")
    ] = None,
    output: Output = RESULT,
) -> None:
    """Measure how time and throughput grow, and fit power laws."""
    with errors_of("growth", output):
        plan = Plan(seconds, largest_batch, most_clients, most_models, threads, bundles)
        names = " ".join(target.name for target in targets)
        result = measure_growth(
            targets,
            plan,
            f"python -m litho.benchmarks.growth {names} --seconds {seconds:g}",
            show_progress,
        )
    finish(output, result, rows(result))
