"""Batch generation on a Ray cluster: `python -m litho.benchmarks.ray_cluster BUNDLE`.

Every node is on this machine. First 100,000 pictures are made in one process, and again on four nodes while a worker,
the driver and a node are killed: every file must have the same bytes. Then the throughput of one process, one worker
and two workers of a cluster is measured in turns. Written to `results/ray-cluster.json`.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from ...bundle import Bundle
from ...reporting.markdown import markdown_table
from ...signature.fields import Role
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.machine import Machine, describe_machine
from .disturbed import Asked, disturbed
from .documents import Faults, RayCluster
from .rates import rates

__all__ = ["main", "problems_of", "table"]

RESULT = RESULTS / "ray-cluster.json"
LEAST_GAIN = 1.6
"""Throughput of two workers over that of one, on two cores."""


def problems_of(faults: Faults, gain: float) -> tuple[str, ...]:
    """What was not as promised.

    Args:
        faults: the disturbed run.
        gain: throughput of two workers over that of one.
    """
    found = {
        f"{faults.missing} shards are missing": faults.missing,
        f"{faults.different} files have other bytes than those of one process": faults.different,
        f"{faults.twice} pictures are there twice": faults.twice,
        f"two workers are {gain:.2f} times as fast as one, and not {LEAST_GAIN}": gain < LEAST_GAIN,
    }
    return tuple(problem for problem, there in found.items() if there)


def table(result: RayCluster) -> list[str]:
    """A table in Markdown of the throughputs."""
    forms = dict.fromkeys((one.where, one.workers) for one in result.rates)
    rows = [
        (
            where,
            str(workers),
            f"{result.rate(where, workers):,.0f}",
            f"{result.start_seconds(where, workers):.1f}",
        )
        for where, workers in forms
    ]
    return markdown_table(("where", "workers", "pictures/s", "seconds to the first shard"), rows)


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle of one small graph.", show_default=False)],
    count: Annotated[int, typer.Option(help="Pictures of the disturbed run.", min=1000)] = 100_000,
    per_shard: Annotated[int, typer.Option(help="Pictures of a shard.", min=1)] = 500,
    shards: Annotated[int, typer.Option(help="Shards of each measured run.", min=6)] = 30,
    rounds: Annotated[int, typer.Option(help="Rounds in turns.", min=1)] = 3,
    output: Output = RESULT,
) -> None:
    """Make pictures on a cluster that loses parts, and measure its throughput."""
    with errors_of("ray_cluster", output), tempfile.TemporaryDirectory(prefix="ray-cluster-") as temporary:
        label = Bundle.load(bundle).manifest.signature.field(Role.LABEL)
        fields = () if label is None else (f"--{label.name}", f"0-{int(label.maximum or 0)}")
        folder = Path(temporary)
        faults = disturbed(Asked(bundle, count, per_shard, fields), folder / "faults", _note)
        found = rates(Asked(bundle, shards * per_shard, per_shard, fields), folder / "rates", rounds, _note)
        result = RayCluster(
            bundle=bundle.name,
            per_shard=per_shard,
            faults=faults,
            rates=found,
            problems=(),
            machine=_machine(),
        )
        result = result.model_copy(update={"problems": problems_of(faults, result.gain)})
    lost = ", ".join(f"{one.what} at shard {one.at}" for one in faults.faults)
    said = f"{count} pictures, killed: {lost}; {faults.retries} retries; {faults.different} files differ"
    gain = f"2 workers: {result.gain:.2f} times 1; Ray: {result.overhead_ms:.3f} ms a picture"
    rows = [said, *table(result), gain, *result.problems]
    finish(output, result, rows, failed=bool(result.problems))


def _machine() -> Machine:
    found = describe_machine()
    return found.model_copy(update={"versions": {**found.versions, "ray": version("ray")}})


def _note(line: str) -> None:
    typer.echo(line, err=True)
