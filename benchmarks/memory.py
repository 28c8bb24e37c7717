"""Memory under a long load: `python -m litho.benchmarks.memory BUNDLE` serves it and asks for 200,000 pictures.

Clients, server and stubs must stay flat after they have settled, and shared memory must not grow. Written to
`results/soak.json`, one entry for each way of serving.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..bundle import Bundle
from ..bundle.json_documents import Document, read_as
from ..errors import LithoError
from ..reporting import human_bytes
from ..reporting.markdown import markdown_table
from ..serving.configuration.settings import Batching, ServingSettings
from ..serving.repository.deploy import deploy
from .faults.serving import Serving
from .load.documents.result import SoakResult
from .load.measuring.soak import soak
from .shared.command import RESULTS, errors_of, finish, show_progress
from .shared.machine import Machine, describe_machine

__all__ = ["MemoryRun", "MemoryRuns", "main", "problems", "table"]

RESULT = RESULTS / "soak.json"
MOST_GROWTH = 0.05
"""Of resident memory after it has settled; a leak of one picture a request would be many times as much."""

FIGURES = {"client": "client_bytes", "server and stubs": "server_bytes", "stubs": "children_bytes"}
SHARED = "shared_memory_bytes"


class MemoryRun(Document):
    """One way of serving under a long load.

    Args:
        name: of the model and its batching.
        soak: what was measured.
        problems: what grew, failed or was left behind; empty if nothing.
        machine: where it was measured.
    """

    name: str
    soak: SoakResult
    problems: tuple[str, ...]
    machine: Machine


class MemoryRuns(Document):
    """All ways of serving that were measured; written as `soak.json`."""

    schema_version: Literal[1] = 1
    runs: tuple[MemoryRun, ...] = ()

    def with_run(self, run: MemoryRun) -> MemoryRuns:
        """A copy in which the run replaces the one of its name."""
        others = (one for one in self.runs if one.name != run.name)
        return self.model_copy(update={"runs": (*others, run)})


def problems(result: SoakResult) -> list[str]:
    """What grew by more than 5 % after it had settled, or failed; shared memory may not grow at all."""
    found = [f"{count} requests failed: {message}" for message, count in result.errors.items()]
    for name, figure in FIGURES.items():
        growth = result.growth_of(figure)
        if growth is None or growth > MOST_GROWTH:
            found.append(
                f"memory of {name} grew by {'an unknown share' if growth is None else f'{growth:.1%}'}"
            )
    if result.growth_of(SHARED) != 0 and getattr(result.samples[-1], SHARED) > getattr(
        result.settled, SHARED
    ):
        found.append("shared memory grew")
    return found


def table(result: SoakResult) -> list[str]:
    """A table in Markdown: each figure when it had settled and at the end."""
    moments = {
        f"after {result.settled.requests * result.batch:,} pictures": result.settled,
        "at the end": result.samples[-1],
    }
    rows = [
        (name, *(human_bytes(getattr(sample, figure) or 0) for sample in moments.values()))
        for name, figure in {**FIGURES, "shared memory": SHARED}.items()
    ]
    return markdown_table(("", *moments), rows)


def main(  # noqa: PLR0913
    bundle: Annotated[Path, typer.Argument(help="Bundle that is deployed and served.", show_default=False)],
    pictures: Annotated[int, typer.Option(help="Number of pictures.")] = 200_000,
    batch: Annotated[int, typer.Option(help="Pictures in a request.")] = 8,
    in_flight: Annotated[int, typer.Option(help="Requests in flight.")] = 32,
    cancel_every: Annotated[int, typer.Option(help="Every so many requests one is cancelled; 0: none.")] = 0,
    settled_after: Annotated[
        int, typer.Option(help="Requests after which memory should be settled.")
    ] = 20_000,
    batching: Annotated[Batching, typer.Option(help="Form in which it is served.")] = "whole",
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULT,
) -> None:
    """Serve a bundle, ask for many pictures, and watch the memory."""
    with errors_of("memory", output), tempfile.TemporaryDirectory(prefix="memory-") as folder:
        earlier = _read(output)
        settings = ServingSettings(batching=batching)
        deployment = deploy(Bundle.load(bundle), to=Path(folder) / "repository", settings=settings)
        serving = Serving(Path(folder) / "repository", Path(folder))
        try:
            with serving:
                result = soak(
                    serving.endpoint,
                    pictures // batch,
                    in_flight,
                    settled_after=settled_after // batch,
                    batch=batch,
                    cancel_every=cancel_every,
                    progress=show_progress,
                )
        except LithoError:
            for _, line in serving.said[-5:]:
                typer.echo(line, err=True)
            raise
        found = [*problems(result), *(f"left behind: {one}" for one in serving.left())]
    run = MemoryRun(
        name=f"{deployment.path.name}, {batching}",
        soak=result,
        problems=tuple(found),
        machine=describe_machine(),
    )
    finish(output, earlier.with_run(run), [*table(result), *found], failed=bool(found))


def _read(output: Path) -> MemoryRuns:
    if not output.exists():
        return MemoryRuns()
    return read_as(MemoryRuns, "a result", output.parent, output.name, 1)


if __name__ == "__main__":
    typer.run(main)
