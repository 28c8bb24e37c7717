"""Verbs of serving: `deploy`, `rollback`, `server install`, `serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .base import AsJson, BundlePath, Name, Repository, VariantName, app
from .output import print_json, progress_bar

server = typer.Typer(help="The embedded Triton server's own environment.", no_args_is_help=True)
app.add_typer(server, name="server")


@app.command(epilog="Example: litho deploy bundles/digits --to model_repository")
def deploy(
    bundle: BundlePath,
    to: Annotated[Path, typer.Option(help="The Triton model repository; made if absent.")] = Path(
        "model_repository"
    ),
    name: Name = None,
    variant: VariantName = None,
    flavour: Annotated[
        Literal["python", "onnxruntime"],
        typer.Option(help="For the embedded server: python; for containers: onnxruntime."),
    ] = "python",
    accept_failed: Annotated[
        list[str] | None, typer.Option(help="Deploy this variant although it failed its gate; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a bundle into a model repository as a new version; the versions before stay."""
    from ..bundle import Bundle
    from ..serving.repository import deploy as deploy_bundle

    deployment = deploy_bundle(
        Bundle.load(bundle),
        to=to,
        name=name,
        variant=variant,
        flavour=flavour,
        accept_failed=accept_failed or (),
    )
    if as_json:
        print_json({"path": str(deployment.path), "version": deployment.version})
    else:
        typer.echo(f"{deployment.path} serves version {deployment.version}")


@app.command(epilog="Example: litho rollback model_repository digits")
def rollback(
    repository: Repository,
    name: Annotated[str, typer.Argument(help="Name of the model.", show_default=False)],
) -> None:
    """Return a deployed model to the version before."""
    from ..serving.repository import rollback as roll_back

    typer.echo(f"{repository / name} serves version {roll_back(repository, name)}")


@server.command("install", epilog="Example: litho server install")
def install() -> None:
    """Make the embedded Triton server's own environment; a second call returns at once."""
    from ..serving.environment import install as install_server

    with progress_bar() as progress:
        path = install_server(progress)
    typer.echo(path)


@app.command(epilog="Example: litho serve model_repository --grpc-port 8001")
def serve(
    repository: Repository,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    http_port: Annotated[int | None, typer.Option(help="By default a free one.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="By default a free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="By default a free one.")] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Bind an address that other machines reach.")
    ] = False,
) -> None:
    """Serve a model repository by the embedded Triton server until Ctrl-C; for development on this machine."""
    from ..serving.server import serve as serve_repository

    serve_repository(
        repository,
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        allow_remote=allow_remote,
    )
