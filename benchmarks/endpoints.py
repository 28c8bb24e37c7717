"""README's endpoints, measured again: `python -m litho.benchmarks.endpoints cgan-digits=BUNDLE dcgan64=BUNDLE`.

Each bundle is deployed, served and measured as `litho bench` does, in turns with the same bundle in this process.
Written to `results/NAME-endpoint.json`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..bundle import Bundle
from ..errors import UsageError
from ..files import check_folder
from ..reporting.markdown import markdown_table
from ..serving.repository.deploy import deploy
from ..serving.server.embedded import EmbeddedServer
from .load.documents.result import BenchResult
from .load.page.report import lines, table
from .load.sweep import bench
from .shared.command import RESULTS, errors_of, show_progress, whole_numbers, write_document
from .shared.cores import Cores, apart, split_cores

__all__ = ["main", "measure"]


def measure(
    path: Path,
    name: str,
    *,
    clients: tuple[int, ...],
    seconds: float,
    cores: Cores | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
) -> BenchResult:
    """Serve a bundle and measure it in turns with the bundle in this process.

    Args:
        path: the bundle's folder.
        name: of the model.
        clients: numbers of requests to keep in flight.
        seconds: length of the whole measurement.
        cores: of the server, and of clients and the bundle in this process; None if they share all.
        device: on which the server and this process compute.

    Raises:
        LithoError: it cannot be served, or does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="endpoint-") as folder:
        repository = Path(folder) / "models"
        deploy(Bundle.load(path), to=repository, name=name, settings={"device": device})
        with apart(EmbeddedServer(repository, log=Path(folder) / "log"), cores) as server:
            result = bench(
                f"{server.grpc_url}/{name}",
                device=device,
                against=path,
                bundle=path,
                concurrency=clients,
                seconds=seconds,
                progress=show_progress,
            )
    return result.model_copy(update={"cores": cores})


def main(
    bundles: Annotated[list[str], typer.Argument(help="NAME=BUNDLE.", show_default=False)],
    clients: Annotated[str, typer.Option(help="Requests in flight.")] = "1,8,32",
    seconds: Annotated[float, typer.Option(help="For each bundle.", min=1)] = 120.0,
    own_cores: Annotated[bool, typer.Option("--apart", help="The server has cores of its own.")] = False,
    device: Annotated[
        Literal["cpu", "cuda"], typer.Option(help="Where the server and this process compute.")
    ] = "cpu",
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
) -> None:
    """Measure endpoints; exit code 1 if one does not count."""
    problems: list[str] = []
    with errors_of("endpoints"):
        cores = split_cores() if own_cores else None
        counts = tuple(whole_numbers(clients, "--clients"))
        check_folder(output, "--output")
        for name, path in [_named(given) for given in bundles]:
            result = measure(Path(path), name, clients=counts, seconds=seconds, cores=cores, device=device)
            write_document(output / f"{name}-endpoint.json", result)
            heads, rows = table(result, brief=True)
            plain = [head.removesuffix("|right") for head in heads]
            typer.echo("\n".join([name, "", *markdown_table(plain, rows), "", *lines(result)]))
            problems += [f"{name}: {one}" for one in result.problems]
    typer.echo("\n".join(problems))
    raise typer.Exit(1 if problems else 0)


def _named(given: str) -> tuple[str, str]:
    name, _, path = given.partition("=")
    if not name or not path:
        raise UsageError(f"{given!r} is no NAME=BUNDLE, such as cgan-digits=bundles/digits")
    return name, path


if __name__ == "__main__":
    typer.run(main)
