"""Verbs of a server: `serve`, `server install`."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import UsageError
from .base import AsJson, RepositoryOrUrl, Verbs, app, verb
from .deploying import PANEL, RequireSignature
from .output import log, note, print_json, progress_bar
from .paths import require_repository

if TYPE_CHECKING:
    from ..serving.server.following import Follower
    from ..serving.server.supervisor import Supervisor

_DAY = 86_400
"""Longest time of an option, in seconds."""


@verb(
    PANEL,
    "litho serve model_repository --grpc-port 8001",
    "litho serve model_repository --require-signature public.pem",
    "litho serve s3://models/production --follow 30",
    "litho serve model_repository --gateway",
    "litho serve model_repository --container --metrics-port 8002",
    "litho serve model_repository --json",
)
def serve(
    repository: RepositoryOrUrl,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    http_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of Triton's HTTP; by default a free one.")
    ] = None,
    grpc_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of Triton's gRPC; by default a free one.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of Triton's metrics; by default a free one.")
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Bind an address that other machines can reach.")
    ] = False,
    follow: Annotated[
        float | None,
        typer.Option(
            help="Seconds between two looks at s3://... for what was deployed there; by default only at the start.",
            min=0.1,
            max=_DAY,
            show_default=False,
        ),
    ] = None,
    require_signature: RequireSignature = None,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port of the supervisor's health and metrics, on 127.0.0.1; by default a free one.",
        ),
    ] = None,
    restarts: Annotated[
        int, typer.Option(min=0, help="Restarts of a dead server that are allowed within 10 minutes.")
    ] = 10,
    canary_seconds: Annotated[
        float,
        typer.Option(min=0, max=_DAY, help="Seconds between two test requests to each model; 0 for none."),
    ] = 5.0,
    drain_seconds: Annotated[
        float,
        typer.Option(min=0, max=_DAY, help="Longest time in seconds to finish accepted requests at the end."),
    ] = 30.0,
    log_format: Annotated[
        Literal["text", "json"], typer.Option(help="Form of the events on standard error.")
    ] = "text",
    traces: Annotated[
        str | None,
        typer.Option(help="OpenTelemetry collector, such as http://HOST:4318/v1/traces.", show_default=False),
    ] = None,
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Also run 'litho gateway' before it: HTTP API and playground.")
    ] = False,
    gateway_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of the gateway, 0 for a free one; by default 8080.",
            show_default=False,
        ),
    ] = None,
    gateway_settings: Annotated[
        Path | None,
        typer.Option(help="File of the gateway's settings, such as its keys.", show_default=False),
    ] = None,
    container: Annotated[
        bool,
        typer.Option("--container", help="Print the commands that serve it in NVIDIA's Triton container."),
    ] = False,
    compose: Annotated[
        bool, typer.Option("--compose", help="Print a compose file for that container.")
    ] = False,
    run: Annotated[bool, typer.Option("--run", help="Build the image and run the container.")] = False,
    program: Annotated[
        Literal["docker", "podman"], typer.Option(help="Program that runs the container.")
    ] = "docker",
    image: Annotated[
        str | None,
        typer.Option(help="Triton's image; by default NVIDIA's newest known one.", show_default=False),
    ] = None,
    tensorrt: Annotated[
        str | None,
        typer.Option(
            help="Version of TensorRT in the image, if the image's tag does not say it.", show_default=False
        ),
    ] = None,
    gpus: Annotated[
        str | None,
        typer.Option(
            help="GPUs of the container: all, or 0,1; by default all if needed.", show_default=False
        ),
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(
            help="Container's memory in MiB; by default by its models.", min=256, show_default=False
        ),
    ] = None,
    tls: Annotated[
        Path | None,
        typer.Option(
            help="Folder with server.crt and server.key for the container, and ca.crt if clients need one too.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve a model repository here, and keep it answering.

    A server that dies is restarted on the same ports; a model with a dead instance is loaded anew while the others
    answer; each with its cause on standard error. Ctrl-C or SIGTERM finishes accepted requests and refuses new ones; a
    second one ends everything at once. It is the embedded Triton server, which is meant for development: see 'litho
    server install'. With --json the addresses are one line on standard output, and every event is a line after it.
    Of s3://... the served versions are fetched to the user's cache first, and every file is compared with its SHA-256.
    With --traces Triton sends spans of those requests that a gateway, or another client, traces ('traceparent').
    With --gateway a gateway runs beside it, is started again when it dies, and finishes its requests first at the end.
    With --container, --compose or --run a container of NVIDIA's serves instead, by default on port 8001;
    only the ports that are given are published.
    """
    require_repository(repository)
    if follow is not None and "://" not in repository:
        raise UsageError(
            "--follow is for a repository on object storage; a server of a folder learns of a deployment at once"
        )
    from .gateway_beside import Beside

    beside = Beside.wanted(
        gateway, gateway_port, gateway_settings, allow_remote or container or compose or run
    )
    from ..serving.server.embedded import EmbeddedServer
    from ..serving.server.events import Log
    from ..serving.server.supervisor import Policy, Supervisor

    show = _print_addresses if as_json else _show_addresses
    for_container = {
        "--image": image,
        "--tensorrt": tensorrt,
        "--gpus": gpus,
        "--memory": memory,
        "--tls": tls,
    }
    idle = [option for option, value in for_container.items() if value is not None]
    if idle and not (container or compose or run):
        raise UsageError(f"{idle[0]} is for a container; give --container, --compose or --run too")
    folder, follower = _opened(repository, follow)
    if container or compose or run:
        from .container import Wanted, serve_in_container

        settings = {
            "image": image,
            "tensorrt": tensorrt,
            "program": program,
            "host": host,
            "grpc_port": grpc_port,
            "http_port": http_port,
            "metrics_port": metrics_port,
            "gpus": gpus,
            "memory_bytes": memory and memory << 20,
            "tls": tls,
            "require_signature": require_signature,
            "traces": traces,
        }
        serve_in_container(folder, Wanted(compose, run, allow_remote), settings)
        return
    embedded = EmbeddedServer(
        folder,
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        allow_remote=allow_remote,
        require_signature=require_signature,
        traces=traces,
    )
    logs = [Log(sys.stderr, log_format), *([Log(sys.stdout, "json")] if as_json else [])]
    supervisor = Supervisor(
        embedded,
        folder,
        policy=Policy(restarts=restarts, canary_seconds=canary_seconds, drain_seconds=drain_seconds),
        listeners=(*logs, lambda event: log(event.to_text())),
        health_port=health_port,
    )
    supervisor.status.lost_events = lambda: sum(one.lost for one in logs)

    def ready() -> None:
        url = None
        if beside is not None:
            same = {
                "drain_seconds": max(drain_seconds, 0.001),
                "log_format": log_format,
                "traces": traces,
                "repository": folder,
            }
            running = beside.process(embedded.grpc_url, same, supervisor.tell)
            url = stack.enter_context(running).url
            supervisor.before_drain = running.drain
        show(supervisor, url)
        if follower is not None:
            follower.start(supervisor.server.control())

    with follower or nullcontext(), ExitStack() as stack:
        supervisor.run(ready)


def _opened(repository: str, follow: float | None) -> tuple[Path, Follower | None]:
    """The folder to serve, and what brings later changes of a repository on object storage to it."""
    if "://" not in repository:
        return Path(repository), None
    from ..serving.repository.storage import Replica, cache_folder
    from ..serving.server.following import Follower

    replica = Replica(repository, cache_folder(repository))
    replica.refresh()
    return replica.path, None if follow is None else Follower(replica, follow, note)


server = typer.Typer(cls=Verbs, help="Install the embedded Triton server.", no_args_is_help=True)
app.add_typer(server, name="server", rich_help_panel=PANEL)


@verb(None, "litho server install", "litho server install --device cuda", name="install", group=server)
def install(
    device: Annotated[
        Literal["cpu", "cuda"],
        typer.Option(help="cuda: models may be deployed to NVIDIA GPUs too; 2 GB more, CUDA's libraries."),
    ] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Install the embedded Triton server.

    It gets a virtual environment of its own. If it is already installed, nothing happens.
    """
    from ..serving.server.environment import install as install_server

    with progress_bar() as progress:
        path = install_server(progress, device)
    if as_json:
        print_json({"path": str(path)})
    else:
        typer.echo(path)


def _show_addresses(supervisor: Supervisor, gateway: str | None) -> None:
    running = supervisor.server
    if gateway is not None:
        typer.echo(f"gateway {gateway}")
    for endpoint in running.endpoints:
        typer.echo(endpoint)
    typer.echo(
        f"HTTP    {running.http_url}\nmetrics {running.metrics_url} and {supervisor.url}/metrics\n"
        f"health  {supervisor.url}/health/ready\nlog     {running.log}\nstop with Ctrl-C"
    )


def _print_addresses(supervisor: Supervisor, gateway: str | None) -> None:
    running = supervisor.server
    document = {
        "event": "ready",
        "endpoints": list(running.endpoints),
        "grpc": running.grpc_url,
        "http": running.http_url,
        "metrics": running.metrics_url,
        "health": f"{supervisor.url}/health/ready",
        "supervisor_metrics": f"{supervisor.url}/metrics",
        "log": str(running.log),
        "id": running.server_id,
        "pid": running.process_id,
        **({} if gateway is None else {"gateway": gateway}),
    }
    typer.echo(json.dumps(document))
