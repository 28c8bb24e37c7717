"""Bundle -> next version of a model in a Triton model repository, and live where a server serves it.

Where a server serves the repository, the version goes through a trial on it (`rollout`), and what is reported is what
the server says. Without a server the version is served at the next start. `versions` has the layout on disk,
`operations` what follows a deployment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...bundle import MANIFEST_NAME, Bundle
from ...bundle.manifest import FileRecord, Grade
from ...bundle.signing import signed_files
from ...errors import UsageError
from ...runners.triton import ServedModel
from ..backend import BACKEND
from ..configuration.model_config import parse_config
from ..configuration.settings import ServingSettings
from ..control.advertisement import find_server
from ..control.server_control import ServerControl
from .admission import prove_here, prove_there
from .canary import CANARY_SUFFIX
from .planning import Plan, Wanted
from .rollout import go_live, live_version, needed_versions, refuse_canary
from .versions import (
    Deployment,
    add_version,
    current,
    parameters,
    prune,
    versions,
    warm_up_batches,
    write_record,
    writing,
)

__all__ = ["KEEP", "check_numbers", "deploy", "fill_version"]

KEEP = 5
"""Versions of a model that stay after a deployment, the served one among them."""


def deploy(  # noqa: PLR0913
    bundle: Bundle | Path | str,
    *,
    to: Path | str,
    name: str | None = None,
    variant: str | None = None,
    flavour: str = "litho",
    accept_failed: Collection[str] = (),
    grade: Grade = "same picture",
    require_signature: Path | str | None = None,
    settings: ServingSettings | Mapping[str, Any] | None = None,
    server: str | None = None,
    canary: float | None = None,
    keep: int = KEEP,
) -> Deployment:
    """Write one variant of each stage of a bundle as the next version of a model, and serve that version.

        >>> deploy_model("bundles/digits", to="models", name="digits")
        <Deployment models/digits, version 1, variant generator.fp32.onnx>

    Earlier versions stay, `keep` in all. A bundle that is already served in the same form is not written again. Before
    anything is written, the probes are replayed here, as a verdict in a manifest is only a claim. A bundle whose
    required digital signature is right is taken at its word. A running server then loads the version beside the old
    one, the probes are replayed through it, and only then it takes the place of the old one: no request fails, and of
    a version that fails nothing is left.

    Args:
        bundle: the bundle, or its directory.
        to: the model repository; created if needed.
        name: of the model; by default the bundle's name.
        variant: as `runners.choose_variants` takes it; by default the recommended ones, if they have the grade and
            need no GPU, or else the first that do.
        flavour: the Triton backend that runs the model, one of `flavour_names()`.
        accept_failed: names of variants, as `runners.named_variants` takes them, that may be deployed although they
            did not pass their gate, or cannot be proven on this machine.
        grade: weakest grade that may be served, "same picture" or "same distribution".
        require_signature: PEM file of a public key; the bundle must be signed with it, and in flavour litho
            the server checks that again whenever it loads the model.
        settings: batching, queue and instances, or those that differ from the flavour's, name -> value.
        server: gRPC address of the server that serves the repository, grpc://HOST:PORT; by default the one that
            `litho serve` runs for it. Without a server, the version is served at the next start.
        canary: share of the requests, above 0 and below 1, that clients send to the new version; the old one serves
            the others until `operations.promote` or `operations.abort`.
        keep: versions of the model that stay; the served ones always do.

    Raises:
        UsageError: a name is unknown, or a variant does not fit the flavour or the settings.
        DeployError: a variant did not pass its gate, or promises less than `grade`, or the repository cannot be
            written; the version served before is still served.
        ProofError: the bundle lacks probes.
        TrustError: a digital signature is required, and the bundle has none or another.
        BundleError: there is no valid bundle at that path.
    """
    wanted = Wanted(name, variant, flavour, accept_failed, grade, require_signature, settings)
    check_numbers(canary, keep)
    plan = Plan.of(bundle, wanted)
    model = Path(to) / plan.description.name
    if model.name.endswith(CANARY_SUFFIX):
        raise UsageError(
            f"model name {model.name!r} is taken by candidates of another model; give another --name"
        )
    if (model / MANIFEST_NAME).exists():
        raise UsageError(
            f"{str(model)!r} is a bundle, and the model would lie there; give another --to, or a --name"
        )
    with writing(model), find_server(model.parent, server) or nullcontext() as connected:
        before = _before(model, connected, canary)
        plan = Plan.of(plan.bundle, wanted, version=max(versions(model), default=0) + 1)
        plan.check()
        version, fill = plan.description.version, partial(fill_version, plan)
        if before is not None and _is_same(before, plan):
            if connected is None or live_version(model, connected) == before.version:
                return replace(before, server=connected and connected.url)
            version, fill = before.version, None  # deployed while no server ran
        elif not plan.trusted:
            prove_here(plan.bundle, plan.description.variants, plan.named, elsewhere=connected is not None)
        if connected is not None:
            accepted = any(one.name in plan.named for one in plan.description.variants)
            proof = partial(prove_there, None if accepted else plan.bundle, warm_up_batches(plan.config))
            go_live(model, version, fill, connected, proof=proof, share=canary)
        elif fill is not None:
            add_version(model, version, fill)
        prune(model, keep, needed_versions(model, connected, before))
    served = ServedModel.from_parameters(parameters(plan.config))
    return Deployment(model, version, served, server=connected and connected.url, canary=canary)


def check_numbers(canary: float | None, keep: int) -> None:
    """Refuse a share or a number of versions that `deploy` does not take.

    Raises:
        UsageError: one of them is out of its range.
    """
    if canary is not None and not 0 < canary < 1:
        raise UsageError(
            f"--canary was given {canary:g}; allowed are shares above 0 and below 1, such as 0.1"
        )
    if keep < 1:
        raise UsageError(f"--keep was given {keep}; allowed is 1 or more, the served version among them")


def _before(model: Path, server: ServerControl | None, canary: float | None) -> Deployment | None:
    """The version that serves so far, after what a killed rollout left was settled.

    Raises:
        DeployError: the model has a canary.
        UsageError: a canary is asked for, and there is no server or no version beside which it could run.
    """
    refuse_canary(model, server)
    if canary is not None and server is None:
        raise UsageError(f"--canary needs a running server of {model.parent}; give it with --server")
    if canary is not None and (server is None or live_version(model, server) is None):
        raise UsageError(
            f"--canary needs a version of {model.name} that is served beside it; deploy without --canary"
        )
    return current(model)


def fill_version(plan: Plan, directory: Path) -> None:
    """Make the directory of a version, with a record of its files where its flavour has no bundle."""
    plan.write(directory)
    if plan.kind.file:  # without a bundle, whose manifest has the hashes
        write_record(directory, plan.kind.files(plan.description))


def _is_same(before: Deployment, plan: Plan) -> bool:
    """Whether a version is already served with the same files and configurations, but for its number."""
    directory, bundle = before.path / str(before.version), plan.bundle
    if plan.kind.backend == BACKEND and signed_files(directory / "bundle") != signed_files(bundle.path):
        return False
    try:
        served = {
            path: parse_config((before.path / path).read_text(encoding="utf-8")) for path in plan.configs
        }
    except FileNotFoundError:
        return False
    return plan.is_same(served) and all(
        (directory / name).is_file() and FileRecord.of_file(directory / name) == bundle.manifest.files[path]
        for name, path in plan.kind.copies(plan.description).items()
    )
