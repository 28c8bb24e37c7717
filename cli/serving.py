"""Verbs of serving: `deploy`, `rollback`, `promote`, `abort`, `undeploy`, `serve`, `server install`."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import DeployError, UsageError
from .auditing import AuditLogFile, entered
from .base import AsJson, BundlePath, Name, Repository, RepositoryOrUrl, Server, VariantName, app, verb
from .bundle import note_older_probes
from .names import models_of, name_option
from .output import log, note, print_json, progress_bar, show_lines
from .paths import require
from .settings import given_settings, takes_settings

if TYPE_CHECKING:
    from ..serving.repository.planning import Wanted
    from ..serving.repository.versions import Deployment
    from ..serving.server.following import Follower
    from ..serving.server.supervisor import Supervisor

PANEL = "Serve"
_NO_SERVER = "as no server was found"

ModelName = Annotated[
    str, typer.Argument(help="Name of the model.", show_default=False, autocompletion=models_of)
]
RequireSignature = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of a public key: refuse a bundle that is not signed with it, now and whenever it is loaded.",
        show_default=False,
    ),
]


@verb(
    PANEL,
    "litho deploy bundles/digits --to model_repository",
    "litho deploy bundles/digits --variant fp16 --flavour onnxruntime",
    "litho deploy bundles/digits --variant int8 --grade same-distribution",
    "litho deploy bundles/digits --preferred-batch-sizes 8,16 --max-queue-size 256 --check",
    "litho deploy bundles/shapes --batching auto",
    "litho deploy bundles/digits --settings tune/settings.json",
    "litho deploy bundles/digits --to model_repository --canary 0.1",
)
@takes_settings
def deploy(
    bundle: BundlePath,
    to: Annotated[
        str,
        typer.Option(help="Folder of the Triton model repository, created if absent; or s3://BUCKET/PREFIX."),
    ] = "model_repository",
    name: Name = None,
    variant: VariantName = None,
    flavour: Annotated[
        str, name_option("flavours", "Backend of Triton that runs it: {flavour_summaries}.")
    ] = "litho",
    accept_failed: Annotated[
        list[str] | None,
        typer.Option(
            help="Deploy this variant although it failed its gate or cannot be proven here; repeatable."
        ),
    ] = None,
    grade: Annotated[
        Literal["same-picture", "same-distribution"],
        typer.Option(help="Weakest promise that may be served; INT8 and FP8 promise the same distribution."),
    ] = "same-picture",
    require_signature: RequireSignature = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; list the rules of Triton that would be broken.")
    ] = False,
    server: Server = None,
    canary: Annotated[
        float | None,
        typer.Option(
            help="Share of the requests that clients send to the new version until 'litho promote' or 'litho abort'.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        int, typer.Option(help="Versions of the model that stay, the served one among them.")
    ] = 5,
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            help="File of serving settings, as 'litho bench tune' writes it; options win over it.",
            show_default=False,
        ),
    ] = None,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Add a bundle to a model repository as its newest version.

    A running server loads it beside the old version, replays the probes, and only then drops the old one. Without a
    server it is served at the next start. Earlier versions stay for 'litho rollback'. Deploying the version that is
    already served changes nothing. Without --require-signature the probes are replayed here first, and a bundle whose
    pictures differ is refused.
    """
    require("bundle", bundle)
    from ..serving.repository.deploy import deploy as deploy_bundle
    from ..serving.repository.planning import Wanted
    from ..serving.repository.storage import is_remote, writing

    given = given_settings(settings)
    if settings_file is not None:
        from ..serving.configuration.settings_file import read_settings

        given = {**read_settings(settings_file), **given}
    wanted = Wanted(
        name=name or (_name_of(bundle) if is_remote(to) else None),
        variant=variant,
        flavour=flavour,
        accept_failed=accept_failed or (),
        grade="same picture" if grade == "same-picture" else "same distribution",
        require_signature=require_signature,
        settings=_settled(bundle, variant, given),
    )
    if check:
        _show_problems(bundle, wanted, as_json)
        return
    _refuse_server(to, server, canary)
    details = {"repository": to, "model": wanted.name, "bundle": str(bundle), "canary": canary}
    with entered(audit_log, "deploy", **details) as entry:
        with writing(to, wanted.name or "") as folder:
            deployment = deploy_bundle(
                bundle, to=folder, **vars(wanted), server=server, canary=canary, keep=keep
            )
        entry.update(_entered(deployment))
    if require_signature is None:
        note_older_probes(bundle)
    _show_version(deployment, as_json, to)


@verb(PANEL, "litho rollback model_repository digits")
def rollback(
    repository: RepositoryOrUrl,
    name: ModelName,
    server: Server = None,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Go to the newest earlier version that is not damaged.")
    ] = False,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Return a deployed model to its previous version.

    Its files are compared with their hashes first, and it goes live as 'litho deploy' lets a new version go live.
    """
    _require_repository(repository)
    from ..serving.repository.operations import rollback as roll_back
    from ..serving.repository.storage import writing

    _refuse_server(repository, server)
    with entered(audit_log, "rollback", repository=repository, model=name) as entry:
        with writing(repository, name, whole=True) as folder:
            served = roll_back(folder, name, server=server, skip_damaged=skip_damaged)
        entry.update(_entered(served))
    _show_version(served, as_json, repository)


@verb(PANEL, "litho promote model_repository digits")
def promote(
    repository: Repository,
    name: ModelName,
    server: Server = None,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Serve a model's canary as its newest version."""
    require("model repository", repository)
    from ..serving.repository.operations import promote as promote_canary

    with entered(audit_log, "promote", repository=str(repository), model=name) as entry:
        served = promote_canary(repository, name, server=server)
        entry.update(_entered(served))
    _show_version(served, as_json, str(repository))


@verb(PANEL, "litho abort model_repository digits")
def abort(
    repository: Repository,
    name: ModelName,
    server: Server = None,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove a canary; the version beside it serves all again."""
    require("model repository", repository)
    from ..serving.repository.operations import abort as abort_canary

    with entered(audit_log, "abort", repository=str(repository), model=name) as entry:
        served = abort_canary(repository, name, server=server)
        entry.update(_entered(served))
    _show_version(served, as_json, str(repository))


@verb(PANEL, "litho undeploy model_repository digits")
def undeploy(
    repository: RepositoryOrUrl,
    name: ModelName,
    server: Server = None,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove a model with its versions, from the server too."""
    _require_repository(repository)
    from ..serving.repository.operations import undeploy as remove
    from ..serving.repository.storage import writing

    _refuse_server(repository, server)
    with (
        entered(audit_log, "undeploy", repository=repository, model=name),
        writing(repository, name) as folder,
    ):
        asked = remove(folder, name, server=server)
    path = f"{repository.rstrip('/')}/{name}"
    if as_json:
        print_json({"path": path, "server": asked})
    else:
        typer.echo(
            f"{path} is removed{f', {_NO_SERVER}' if asked is None else f' and no longer served at {asked}'}"
        )


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
    http_port: Annotated[int | None, typer.Option(help="By default a free one.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="By default a free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="By default a free one.")] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Bind an address that other machines can reach.")
    ] = False,
    follow: Annotated[
        float | None,
        typer.Option(
            help="Seconds between two looks at s3://... for what was deployed there; by default only at the start.",
            min=0.1,
            show_default=False,
        ),
    ] = None,
    require_signature: RequireSignature = None,
    health_port: Annotated[
        int | None,
        typer.Option(help="Of the supervisor's health and metrics, on 127.0.0.1. By default a free one."),
    ] = None,
    restarts: Annotated[
        int, typer.Option(min=0, help="Restarts of a dead server that are allowed within 10 minutes.")
    ] = 10,
    canary_seconds: Annotated[
        float, typer.Option(min=0, help="Time between two test requests to each model; 0 for none.")
    ] = 5.0,
    drain_seconds: Annotated[
        float, typer.Option(min=0, help="Longest time to finish accepted requests at the end.")
    ] = 30.0,
    log_format: Annotated[
        Literal["text", "json"], typer.Option(help="Form of the events on standard error.")
    ] = "text",
    traces: Annotated[
        str | None,
        typer.Option(
            help="OpenTelemetry collector, such as http://127.0.0.1:4318/v1/traces.", show_default=False
        ),
    ] = None,
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Also run 'litho gateway' before it: HTTP API and playground.")
    ] = False,
    gateway_port: Annotated[
        int | None,
        typer.Option(help="Of the gateway, 0 for a free one; by default 8080.", show_default=False),
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
        typer.Option(help="TensorRT in the image, if its release does not tell.", show_default=False),
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
    _require_repository(repository)
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


def _require_repository(repository: str) -> None:
    """Refuse a path that is no model repository; what a URL leads to is seen when it is opened."""
    if "://" not in repository:
        require("model repository", Path(repository))


def _name_of(bundle: Path) -> str:
    from ..bundle import Bundle

    return Bundle.load(bundle).manifest.name


def _opened(repository: str, follow: float | None) -> tuple[Path, Follower | None]:
    """The folder to serve, and what brings later changes of a repository on object storage to it."""
    if "://" not in repository:
        return Path(repository), None
    from ..serving.repository.storage import Replica, cache_folder
    from ..serving.server.following import Follower

    replica = Replica(repository, cache_folder(repository))
    replica.refresh()
    return replica.path, None if follow is None else Follower(replica, follow, note)


server = typer.Typer(help="Install the embedded Triton server.", no_args_is_help=True)
app.add_typer(server, name="server", rich_help_panel=PANEL)


@verb(None, "litho server install", name="install", group=server)
def install(as_json: AsJson = False) -> None:
    """Install the embedded Triton server.

    It gets a virtual environment of its own. If it is already installed, nothing happens.
    """
    from ..serving.server.environment import install as install_server

    with progress_bar() as progress:
        path = install_server(progress)
    if as_json:
        print_json({"path": str(path)})
    else:
        typer.echo(path)


def _entered(deployment: Deployment) -> dict[str, Any]:
    """What the audit log says of a deployment besides what was asked for."""
    return {
        "model": deployment.path.name,
        "version": deployment.version,
        "variant": deployment.served.variant,
        "checkpoint_sha256": deployment.served.checkpoint_sha256,
        "server": deployment.server,
    }


def _settled(bundle: Path, variant: str | None, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, with the form of batching that suits this machine where it was left to litho."""
    if settings.get("batching") != "auto":
        return settings
    from ..bundle import Bundle
    from ..serving.configuration.settings import ServingSettings
    from ..serving.in_flight.batching import choose_batching

    counting = ("device", "lanes", "threads", "live_rows", "max_batch_size")
    given = {name: settings[name] for name in counting if name in settings}
    choice = choose_batching(Bundle.load(bundle), variant, ServingSettings(**given, batching="in-flight"))
    typer.echo(f"batching {choice.batching}: {choice.reason}", err=True)
    unused = ("lanes", "live_rows") if choice.batching == "whole" else ()
    rest = {name: value for name, value in settings.items() if name not in unused}
    return {**rest, "batching": choice.batching}


def _show_problems(bundle: Path, wanted: Wanted, as_json: bool) -> None:
    from ..serving.repository.planning import problems

    found = problems(bundle, wanted)
    if as_json:
        print_json([{"rule": one.rule, "message": one.message} for one in found])
    else:
        show_lines(str(one) for one in found)
    if found:
        count = f"{len(found)} rules are" if len(found) > 1 else "1 rule is"
        raise DeployError(f"{count} broken; nothing was written")
    if not as_json:
        typer.echo("no rule is broken; nothing was written")


def _refuse_server(repository: str, server: str | None, canary: float | None = None) -> None:
    from ..serving.repository.storage import is_remote

    if is_remote(repository) and (server is not None or canary is not None):
        raise UsageError(
            f"{'--server' if canary is None else '--canary'} was given, but servers follow {repository} by themselves;"
            " leave it out"
        )


def _show_version(deployment: Deployment, as_json: bool, repository: str) -> None:
    from ..runners.base import promise

    path, version, served = (
        f"{repository.rstrip('/')}/{deployment.path.name}",
        deployment.version,
        deployment.served,
    )
    if as_json:
        shown = {"variant": served.variant, "precision": served.precision, "grade": served.grade}
        where = {"server": deployment.server, "canary": deployment.canary}
        print_json({"path": path, "version": version, **shown, **where})
        return
    what = promise(served.variant, served.precision, served.grade)
    if deployment.server is None:
        typer.echo(f"{path} serves version {version} from the next start, {_NO_SERVER}: {what}")
    elif deployment.canary is None:
        typer.echo(f"{path} serves version {version} at {deployment.server}: {what}")
    else:
        share = f"{deployment.canary:.0%} of the requests"
        typer.echo(f"{path} gives version {version} {share} as a canary at {deployment.server}: {what}")


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
