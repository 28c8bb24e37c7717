"""Memory under a long load: `python -m litho.benchmarks.memory BUNDLE` serves it and asks for 200,000 pictures.

Clients, server and stubs must stay flat after they have settled, and shared memory must not grow. Written to
`results/soak.json`, one entry for each way of serving.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ...bundle import Bundle
from ...bundle.json_documents import read_as
from ...errors import LithoError
from ...serving.configuration.settings import Batching, ServingSettings
from ...serving.repository.deploy import deploy
from ..faults.serving import Serving
from ..load.measuring.soak import soak
from ..shared.command import RESULTS, Output, errors_of, finish, show_progress
from ..shared.machine import describe_machine
from .documents import MemoryRun, MemoryRuns, problems, table

__all__ = ["main"]

RESULT = RESULTS / "soak.json"


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
    output: Output = RESULT,
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
