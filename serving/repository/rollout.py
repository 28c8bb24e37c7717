"""A version of a model goes live on a running server: staged, loaded, warmed up, proven, and only then served.

A candidate is a Triton model of its own (`canary`). When it is proven, its files move into `<name>/`, the
configuration there is replaced, and the server loads `<name>` anew: it drops the old version when the new one answers.
Every step leaves the old version or the new one served, and `settle` finishes or takes back what a killed process
left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import DeployError, LithoError, ServerError
from ...files import remove_directory, remove_leftovers, write_bytes, write_directory
from ..configuration.model_config import CONFIG_NAME, CONFIGS, parse_config, print_config
from ..control.server_control import ServerControl
from .canary import CANARY_SUFFIX, MODEL_PARAMETER, SHARE_PARAMETER, Canary, canary_of
from .placing import expose, forget
from .versions import (
    Deployment,
    Fill,
    add_version,
    config_of_version,
    current,
    parameters,
    serve_version,
    served_config,
    versions,
)

__all__ = [
    "abort",
    "go_live",
    "live_version",
    "needed_versions",
    "promote",
    "refuse_canary",
    "settle",
]

_SETTLED = ("", "unloaded")
"""Reasons of versions whose loading did not fail."""


def go_live(
    model: Path,
    version: int,
    fill: Fill | None,
    server: ServerControl,
    *,
    proof: Callable[[str], None],
    share: float | None = None,
) -> None:
    """Load a version beside the one that is live, prove it, and let it take that one's place; call it with the lock.

    Args:
        model: directory of the model, which may be absent.
        version: number of the version.
        fill: makes the version's directory; None for a version that the model has already.
        server: serves the repository.
        proof: raises an error of litho unless the endpoint that it gets runs the warm-up and gives the right pictures.
        share: of the requests, above 0 and below 1, which the version gets as a canary; None to let it serve all.

    Raises:
        DeployError: the version failed; the message says why, and what is still live. Nothing of it is left.
    """
    _stage(model, version, fill)
    canary = _staged(model)
    with _taken_back(model, server, f"version {version} of {model.name} is not served"):
        server.load(canary.path.name)
        _check_repository(canary, server)
        proof(f"{server.url}/{canary.path.name}/{version}")
        if share is not None:
            _configure(canary.path, model, version, share)
            server.load(canary.path.name)
    if share is None:
        promote(model, server)


def promote(model: Path, server: ServerControl | None) -> int:
    """Serve the candidate of a model as its newest version, and remove the candidate.

    Args:
        model: directory of the model.
        server: serves its repository; None if the version is to be served at the next start.

    Returns:
        The version that is live, as the server says, or served at the next start.

    Raises:
        DeployError: the model has no candidate, or the server could not load it; the old version is still live, and
            a candidate that has a share of the requests keeps it.
    """
    canary = _staged(model)
    served = current(model)
    before = None if served is None else served.version
    linked = canary.files.is_symlink()
    try:
        if server is not None and canary.share is None:
            # It has no requests, and its memory is for the version that follows.
            server.unload(canary.path.name)
        _switch(model, canary, linked)
        if server is not None:
            server.load(model.name)
    except BaseException as error:
        _switch_back(model, canary, before, linked)
        if server is not None:
            with suppress(LithoError):
                _forget_failure_of_served(model, server, canary.version)
        if canary.share is None:
            with suppress(LithoError):
                abort(model, server)
        if isinstance(error, LithoError):
            raise _failure(
                f"version {canary.version} of {model.name} is not served", error, model, server
            ) from error
        raise
    abort(model, server)
    return canary.version if server is None else _wait_until_alone(model, canary.version, server)


def abort(model: Path, server: ServerControl | None) -> int | None:
    """Remove the candidate of a model from the server and from the disk; the model itself stays as it is.

    Returns:
        The candidate's version; None if there was no candidate.
    """
    canary = canary_of(model)
    if canary is None:
        return None
    try:
        if server is not None:
            with suppress(LithoError, OSError):
                _forget_failure_of_candidate(model, server, canary)
            server.unload(canary.path.name)
    finally:
        remove_directory(canary.path)
    return canary.version


def settle(model: Path, server: ServerControl | None) -> Canary | None:
    """Finish or take back what a killed rollout of a model left; call it with the lock of the model.

    Returns:
        The candidate that has a share of the requests; None if there is none.
    """
    remove_leftovers(model.parent)
    remove_leftovers(model)
    for version in versions(model):
        link = model / str(version)
        if link.is_symlink() and link.readlink().name == str(link.readlink()):
            link.unlink()  # of `_forget_failure_of_served`
    canary = canary_of(model)
    if canary is None:
        if server is not None and server.live_versions(model.name + CANARY_SUFFIX):
            server.unload(model.name + CANARY_SUFFIX)
        return None
    served = current(model)
    moved = model / str(canary.version)
    if not canary.files.exists() and moved.exists() and (served is None or served.version != canary.version):
        # Killed after its files moved and before they were served.
        moved.rename(canary.files)
        forget(model, canary.version)
    if served is not None:
        expose(model, served.version)
    if canary.share is not None and canary.files.exists():
        return canary
    abort(model, server)
    return None


def refuse_canary(model: Path, server: ServerControl | None) -> None:
    """Settle what a killed rollout left, and refuse a model whose canary is on trial.

    Raises:
        DeployError: the model has a canary.
    """
    canary = settle(model, server)
    if canary is not None:
        raise DeployError(
            f"version {canary.version} of {model.name} is a canary with {canary.share:.0%} of the requests; end that"
            " first, with 'litho promote' or 'litho abort'"
        )


def live_version(model: Path, server: ServerControl) -> int | None:
    """The version of a model that answers requests which name none; None if there is none."""
    return max(server.live_versions(model.name), default=None)


def needed_versions(model: Path, server: ServerControl | None, before: Deployment | None) -> set[int]:
    """Versions whose files must stay: the served one, the one before it, and whatever a server has loaded."""
    states = [] if server is None else server.index()
    held = {one.version for one in states if one.model == model.name and one.held and one.version is not None}
    served = current(model)
    return {one.version for one in (served, before) if one is not None} | held


def _stage(model: Path, version: int, fill: Fill | None) -> None:
    """Put a candidate beside a model."""
    with write_directory(model.with_name(model.name + CANARY_SUFFIX)) as temporary:
        if fill is None:
            (temporary / str(version)).symlink_to(_from_beside(model, version))
        else:
            fill(temporary / str(version))
        _configure(temporary, model, version)


def _configure(canary: Path, model: Path, version: int, share: float | None = None) -> None:
    """Write the configurations of a candidate: those of its version, under its own name."""
    expose(canary, version)
    for name in (CONFIG_NAME, *(f"{CONFIGS}/{form.name}" for form in (canary / CONFIGS).glob("*.pbtxt"))):
        config = parse_config((canary / str(version) / name).read_text(encoding="utf-8"))
        config.name = model.name + CANARY_SUFFIX
        config.parameters[MODEL_PARAMETER].string_value = model.name
        if share is None:
            # A warm-up that fails ends Triton 24.10 with SIGSEGV: `proof` runs it, where it fails as a request does.
            del config.model_warmup[:]
        else:
            config.parameters[SHARE_PARAMETER].string_value = f"{share:g}"
        write_bytes(canary / name, print_config(config))


def _staged(model: Path) -> Canary:
    canary = canary_of(model)
    if canary is None:
        raise DeployError(f"{model.name} has no canary; start one with 'litho deploy BUNDLE --canary 0.1'")
    return canary


def _switch(model: Path, canary: Canary, linked: bool) -> None:
    """Move the files of the candidate, and let the model's configuration name them."""
    if not model.exists():
        add_version(model, canary.version, canary.files.rename)
        return
    if not linked:
        canary.files.rename(model / str(canary.version))
    serve_version(model, canary.version)


def _switch_back(model: Path, canary: Canary, before: int | None, linked: bool) -> None:
    moved = model / str(canary.version)
    if before is not None and model.exists():
        serve_version(model, before)
    if not linked and moved.exists() and canary.path.exists():
        moved.rename(canary.files)
        forget(model, canary.version)
    if before is None:
        remove_directory(model)


@contextmanager
def _taken_back(model: Path, server: ServerControl, what: str) -> Iterator[None]:
    """If the block fails, remove the candidate and say what is still live."""
    try:
        yield
    except BaseException as error:
        with suppress(LithoError):
            abort(model, server)
        if isinstance(error, LithoError):
            raise _failure(what, error, model, server) from error
        raise


def _failure(what: str, error: LithoError, model: Path, server: ServerControl | None) -> DeployError:
    still = "nothing is served"
    if server is not None:
        try:
            live = live_version(model, server)
            still = f"{'no version' if live is None else f'version {live}'} is live at {server.url}"
        except LithoError:
            still = f"{server.url} does not say what is live"
    elif (served := current(model)) is not None:
        still = f"version {served.version} is still served"
    return DeployError(f"{what}: {str(error).rstrip('.;')}; {still}")


def _check_repository(canary: Canary, server: ServerControl) -> None:
    loaded, staged = server.model_config(canary.path.name), served_config(canary.path)
    if parameters(loaded) != parameters(staged):
        raise ServerError(
            f"{server.url} serves another repository than {canary.path.parent}; give its own --server"
        )


def _wait_until_alone(model: Path, version: int, server: ServerControl) -> int:
    """Wait until the server says that it holds this version of the model and no other."""
    server.wait_for(model.name, [version])
    return version


def _failed_versions(name: str, server: ServerControl) -> list[int]:
    return [
        one.version
        for one in server.index()
        if one.model == name
        and one.state == "UNAVAILABLE"
        and one.reason not in _SETTLED
        and one.version is not None
    ]


def _forget_failure_of_candidate(model: Path, server: ServerControl, canary: Canary) -> None:
    """Make the server ready again: Triton is not, from a load that failed until that version was loaded and unloaded.

    So the candidate's name is given to a version that is known to load.
    """
    if canary.version not in _failed_versions(canary.path.name, server):
        return
    source = _loadable(model, server)
    if source is None:
        return
    good, version = source
    config = config_of_version(good, version)
    del config.model_warmup[:]
    config.name = canary.path.name
    config.parameters[MODEL_PARAMETER].string_value = model.name
    config.version_policy.specific.versions[:] = [canary.version]
    if canary.files.is_symlink():
        canary.files.unlink()
    else:
        remove_directory(canary.files)
    canary.files.symlink_to(_from_beside(good, version))
    write_bytes(canary.path / CONFIG_NAME, print_config(config))
    server.load(canary.path.name)


def _forget_failure_of_served(model: Path, server: ServerControl, version: int) -> None:
    """The same for the model itself: the failed number is given to the live version, beside that version."""
    live = live_version(model, server)
    if live is None or version not in _failed_versions(model.name, server) or (model / str(version)).exists():
        return
    both = config_of_version(model, live)
    both.version_policy.specific.versions[:] = [live, version]
    link = model / str(version)
    link.symlink_to(str(live))
    try:
        server.load(model.name, both)
    finally:
        (model / CONFIG_NAME).touch()  # Triton loads what has changed
        server.load(model.name)
        _wait_until_alone(model, live, server)
        link.unlink()


def _loadable(model: Path, server: ServerControl) -> tuple[Path, int] | None:
    """A version that the server has loaded and that lies in this repository, of this model if it can be."""
    live = [
        (model.with_name(one.model), one.version)
        for one in server.index()
        if one.state == "READY" and one.version is not None
    ]
    present = [(path, version) for path, version in live if (path / str(version) / CONFIG_NAME).exists()]
    return min(present, key=lambda one: one[0] != model, default=None)


def _from_beside(model: Path, version: int) -> str:
    """A version as a link in the folder of another model names it."""
    return f"../{model.name}/{version}"
