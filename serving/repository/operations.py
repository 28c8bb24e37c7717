"""What follows a deployment: return to an earlier version, end a canary, remove a model.

As in `repository`, a server that serves the repository loads and unloads, and what is reported is what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...errors import DeployError
from ...files import remove_directory, remove_leftovers
from ..control.advertisement import find_server
from ..control.server_control import ServerControl
from . import rollout
from .admission import prove_there
from .canary import CANARY_SUFFIX
from .versions import (
    Deployment,
    check_version,
    config_of_version,
    current,
    existing,
    model_names,
    serve_version,
    versions,
    warm_up_batches,
    writing,
)

__all__ = ["abort", "promote", "rollback", "settle_all", "undeploy"]


def rollback(
    repository: Path | str, name: str, *, server: str | None = None, skip_damaged: bool = False
) -> Deployment:
    """Serve the version before the served one, whose files are checked first.

    Args:
        repository: the model repository.
        name: of the model.
        server: gRPC address of the server that serves the repository, grpc://HOST:PORT; by default the one that
            `litho serve` runs for it. It loads the version beside the served one, replays its probes, and only then
            lets it take that one's place.
        skip_damaged: go to the newest earlier version that is not damaged.

    Raises:
        UnknownName: there is no such model.
        DeployError: there is no earlier version, it is damaged or not signed as it should be, or the server could not
            load it; the version served before is still served.
    """
    with _model(repository, name, server) as (model, connected):
        rollout.refuse_canary(model, connected)
        before = existing(model.parent, name)
        version = _intact(before, skip_damaged)
        if connected is None:
            serve_version(model, version)
        else:
            config = config_of_version(model, version)
            proof = partial(prove_there, check_version(model, version), warm_up_batches(config))
            rollout.go_live(model, version, None, connected, proof=proof)
        return _reported(model, connected)


def promote(repository: Path | str, name: str, *, server: str | None = None) -> Deployment:
    """Serve a model's canary as its newest version.

    Args:
        repository: the model repository.
        name: of the model, without the ending of its canary.
        server: as for `rollback`.

    Raises:
        UnknownName: there is no such model.
        DeployError: it has no canary, or the server could not load it; the old version is still served.
    """
    with _model(repository, name, server) as (model, connected):
        existing(model.parent, name)
        rollout.settle(model, connected)
        rollout.promote(model, connected)
        return _reported(model, connected)


def abort(repository: Path | str, name: str, *, server: str | None = None) -> Deployment:
    """Remove a model's canary; the version beside it serves all requests again.

    Args:
        repository: the model repository.
        name: of the model, without the ending of its canary.
        server: as for `rollback`.

    Raises:
        UnknownName: there is no such model.
        DeployError: it has no canary.
    """
    with _model(repository, name, server) as (model, connected):
        existing(model.parent, name)
        if rollout.settle(model, connected) is None:
            raise DeployError(f"{name} has no canary; start one with 'litho deploy BUNDLE --canary 0.1'")
        rollout.abort(model, connected)
        return _reported(model, connected)


def undeploy(repository: Path | str, name: str, *, server: str | None = None) -> str | None:
    """Remove a model with all of its versions, and its canary.

    Args:
        repository: the model repository.
        name: of the model.
        server: as for `rollback`; it answers the requests that it has, and then no longer knows the model.

    Returns:
        Address of the server that unloaded it; None if none runs.

    Raises:
        UnknownName: there is no such model.
        DeployError: litho did not deploy the model.
        ServerError: the server still holds the model; its files are still there.
    """
    with _model(repository, name, server) as (model, connected):
        existing(model.parent, name)
        rollout.settle(model, connected)
        rollout.abort(model, connected)
        if connected is not None:
            connected.unload(name)
        remove_directory(model)
        return connected and connected.url


def settle_all(repository: Path | str) -> None:
    """Finish or take back what killed rollouts left in a repository that no server serves; call it before a start."""
    root = Path(repository)
    with suppress(OSError):
        remove_leftovers(root)
    for name in {name.removesuffix(CANARY_SUFFIX) for name in model_names(root)}:
        model = root / name
        if not model.with_name(name + CANARY_SUFFIX).exists() and not any(model.glob(".*")):
            continue
        # Another process may be at work on a model just now, and a model of that name may be somebody else's.
        with suppress(DeployError), writing(model):
            rollout.settle(model, None)


@contextmanager
def _model(
    repository: Path | str, name: str, server: str | None
) -> Iterator[tuple[Path, ServerControl | None]]:
    """The directory of a model, locked, and the server that serves the repository."""
    root = Path(repository)
    if name not in model_names(root):
        existing(root, name)  # says what is there, before a lock is put beside it
    with writing(root / name), find_server(root, server) or nullcontext() as connected:
        yield root / name, connected


def _intact(before: Deployment, skip_damaged: bool) -> int:
    """The version to go back to."""
    earlier = [version for version in versions(before.path) if version < before.version]
    if not earlier:
        raise DeployError(f"{before.path} has no version before {before.version}; deploy the bundle you want")
    for version in reversed(earlier):
        try:
            check_version(before.path, version)
        except DeployError as error:
            if not skip_damaged:
                older = "; --skip-damaged goes to an older one" if version > earlier[0] else ""
                raise DeployError(f"{error}; version {before.version} is still served{older}") from None
        else:
            return version
    raise DeployError(
        f"every version of {before.path.name} before {before.version} is damaged; version {before.version} is still"
        " served"
    )


def _reported(model: Path, server: ServerControl | None) -> Deployment:
    """What is served now, as the server says where there is one."""
    found = current(model)
    assert found is not None, "the model was there"
    if server is None:
        return found
    live = rollout.live_version(model, server)
    if live != found.version:
        raise DeployError(
            f"{server.url} serves {'no version' if live is None else f'version {live}'} of {model.name}, and its"
            f" repository names version {found.version}; deploy the bundle that you want"
        )
    return replace(found, server=server.url)
