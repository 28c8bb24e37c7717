"""Verbs that change a model repository: `deploy`, `rollback`, `promote`, `abort`, `undeploy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import DeployError, UsageError
from .auditing import AuditLogFile, entered
from .base import AsJson, BundlePath, Name, Repository, RepositoryOrUrl, Server, VariantName, verb
from .bundle import note_older_probes
from .names import models_of, name_option
from .output import print_json, show_lines
from .paths import refuse_others, require, require_repository
from .settings import given_settings, takes_settings

if TYPE_CHECKING:
    from ..serving.repository.planning import Wanted
    from ..serving.repository.versions import Deployment

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
    from ..files import check_folder
    from ..serving.repository.deploy import check_numbers, deploy as deploy_bundle
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
    if not is_remote(to):
        check_folder(Path(to), "--to")
        refuse_others("model repository", Path(to), "--to")
    _refuse_server(to, server, canary)
    check_numbers(canary, keep)
    if check:
        _show_problems(bundle, wanted, as_json)
        return
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
    require_repository(repository)
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
    _end_canary("promote", repository, name, server, audit_log, as_json)


@verb(PANEL, "litho abort model_repository digits")
def abort(
    repository: Repository,
    name: ModelName,
    server: Server = None,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove a canary; the version beside it serves all again."""
    _end_canary("abort", repository, name, server, audit_log, as_json)


@verb(PANEL, "litho undeploy model_repository digits")
def undeploy(
    repository: RepositoryOrUrl,
    name: ModelName,
    server: Server = None,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove a model with its versions, from the server too."""
    require_repository(repository)
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


def _end_canary(
    how: Literal["promote", "abort"],
    repository: Path,
    name: str,
    server: str | None,
    audit_log: Path | None,
    as_json: bool,
) -> None:
    require("model repository", repository)
    from ..serving.repository import operations

    operation = operations.promote if how == "promote" else operations.abort
    with entered(audit_log, how, repository=str(repository), model=name) as entry:
        served = operation(repository, name, server=server)
        entry.update(_entered(served))
    _show_version(served, as_json, str(repository))


def _name_of(bundle: Path) -> str:
    from ..bundle import Bundle

    return Bundle.load(bundle).manifest.name


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
