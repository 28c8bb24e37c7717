"""The versions of a model on disk: written completely or not at all, one of them served; knows no server.

Layout of a deployment, which Triton calls a model:

    <name>/config.pbtxt              configuration of the served version
    <name>/configs/<gpu>.pbtxt       for other devices, as `tritonserver --model-config-name` chooses them
    <name>/warmup/<version>/         inputs of the warm-up of each version
    <name>/<version>/config.pbtxt    copies from the time of deployment, for `rollback`; so are configs/ and warmup/
    <name>/<version>/bundle/         flavour litho: the served part of the bundle, with its probes; of a signed one,
                                     bundle/signed/ holds the signed manifest of the whole
    <name>/<version>/model.onnx      flavour onnxruntime; beside it weights that lay beside the graph
                                     in the bundle, under the same name
    <name>/<version>/model.plan      flavour tensorrt
    <name>/<version>/record.json     flavours without a bundle: size and SHA-256 of their files
    <name>/<version>/model.py        flavour python of an older litho, beside bundle/
    <name>-canary/                   a candidate on trial: `rollout`

Only config.pbtxt says which version is served. It is replaced atomically, in the last step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ...bundle import Bundle
from ...bundle.keys import PublicKey
from ...bundle.manifest import FileRecord
from ...errors import DeployError, IntegrityError, LithoError, UnknownName
from ...files import locked, ordinary_file, remove_directory, write_bytes, write_directory
from ...runners.triton import PUBLIC_KEY_PARAMETER, ServedModel
from ..backend import BACKEND
from ..configuration.model_config import CONFIG_NAME, ModelConfig, ParseError, parse_config
from .placing import expose, forget

__all__ = [
    "CONFIG_NAME",
    "RECORD_NAME",
    "Deployment",
    "Fill",
    "add_version",
    "check_version",
    "config_of_version",
    "current",
    "deployed",
    "existing",
    "model_names",
    "parameters",
    "prune",
    "remove_version",
    "serve_version",
    "served_config",
    "version_of",
    "versions",
    "warm_up_batches",
    "write_record",
    "writing",
]

RECORD_NAME = "record.json"
_BUNDLE = "bundle"
_WITH_BUNDLE = (BACKEND, "python")
"""Backends that read a bundle."""

Fill = Callable[[Path], object]
"""Makes the directory of a version at the path that it gets."""


@dataclass(frozen=True)
class Deployment:
    """The served version of a model in a repository.

    Args:
        path: the model's directory.
        version: the version that is served.
        served: signature, bundle and variant of that version.
        server: address of the server that loaded this version, as it says itself; None if no server runs, so
            that the version is served at the next start.
        canary: share of the requests, 0 to 1, that go to `version` on trial; None if it is no canary.
    """

    path: Path
    version: int
    served: ServedModel
    server: str | None = field(default=None, compare=False)
    canary: float | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<Deployment {self.path}, version {self.version}, variant {self.served.variant}>"


def deployed(repository: Path | str, name: str) -> Deployment | None:
    """The served version of a model; None if the repository has no such model.

    Raises:
        DeployError: litho did not deploy the model.
    """
    return current(Path(repository) / name)


def model_names(repository: Path) -> list[str]:
    """Names of the models in a repository, canaries too; directories that are being written are not among them."""
    names = (path.parent.name for path in repository.glob(f"*/{CONFIG_NAME}"))
    return sorted(name for name in names if not name.startswith("."))


def existing(repository: Path, name: str) -> Deployment:
    """The served version of a model that must be there.

    Raises:
        UnknownName: there is no such model.
        DeployError: there is no model at all, or litho did not deploy this one.
    """
    names = model_names(repository)
    if not names:
        raise DeployError(
            f"{repository} is not a model repository: none of its folders holds a {CONFIG_NAME}"
        )
    found = current(repository / name) if name in names else None
    if found is None:
        raise UnknownName("model", name, names)
    return found


def current(model: Path) -> Deployment | None:
    """The served version of the model in a directory; None if there is no model.

    Raises:
        DeployError: litho did not deploy the model.
    """
    try:
        config = served_config(model)
        return Deployment(model, version_of(config), ServedModel.from_parameters(parameters(config)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ParseError, ValueError):  # also pydantic's errors, and a policy without a single version
        raise DeployError(f"{model} was not deployed by litho; give another --name") from None


def served_config(model: Path) -> ModelConfig:
    """The configuration of a model's served version.

    Raises:
        ParseError: it is not one.
    """
    return parse_config((model / CONFIG_NAME).read_text(encoding="utf-8"))


def config_of_version(model: Path, version: int) -> ModelConfig:
    """The configuration that a version was deployed with.

    Raises:
        DeployError: there is none, or it is not one.
    """
    path = model / str(version) / CONFIG_NAME
    try:
        return parse_config(path.read_text(encoding="utf-8"))
    except (OSError, ParseError, ValueError):
        raise DeployError(
            f"version {version} of {model.name} cannot be served: {path} cannot be read"
        ) from None


def parameters(config: ModelConfig) -> dict[str, str]:
    """The string parameters of a configuration."""
    return {key: value.string_value for key, value in config.parameters.items()}


def version_of(config: ModelConfig) -> int:
    """The one version that a configuration serves."""
    (version,) = config.version_policy.specific.versions
    return version


def warm_up_batches(config: ModelConfig) -> set[int]:
    """Pictures at a time of a configuration's warm-up."""
    return {request.batch_size for request in config.model_warmup if request.batch_size > 0}


def versions(model: Path) -> list[int]:
    """Numbers of the versions in a model's directory, in rising order; empty if there is none."""
    if not model.is_dir():
        return []
    return sorted(int(path.name) for path in model.iterdir() if path.name.isdecimal() and path.is_dir())


@contextmanager
def writing(model: Path) -> Iterator[None]:
    """Lock a model against other writers; if writing fails, say which version is still served.

    Raises:
        DeployError: another process writes this model, or the block could not write.
    """
    try:
        busy = DeployError(f"another process is writing {model}; wait until it ends")
        with locked(model.parent / f".{model.name}.lock", busy):
            yield
    except OSError as error:
        before = current(model)
        still = f"version {before.version} is still served" if before else "nothing is served"
        raise DeployError(f"cannot write {model}: {error.strerror or error}; {still}") from error


def write_record(directory: Path, names: Sequence[str]) -> None:
    """Write size and SHA-256 of files of a version that has no manifest."""
    records = {name: FileRecord.of_file(directory / name).model_dump() for name in names}
    (directory / RECORD_NAME).write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


def add_version(model: Path, version: int, fill: Fill) -> None:
    """Put a version into a model's directory and serve it; a model that is absent is made, all at once.

    Args:
        model: its directory.
        version: number of the version.
        fill: makes the version's directory at the path that it gets.
    """
    if model.exists():
        with write_directory(model / str(version)) as temporary:
            temporary.rmdir()
            fill(temporary)
        try:
            serve_version(model, version)
        except BaseException:
            remove_version(model, version)
            raise
        return
    # A server may not become ready while a model has no configuration.
    with write_directory(model) as temporary:
        fill(temporary / str(version))
        expose(temporary, version)
        (temporary / CONFIG_NAME).write_bytes((temporary / str(version) / CONFIG_NAME).read_bytes())


def serve_version(model: Path, version: int) -> None:
    """Let a model's configuration be the one that a version was deployed with."""
    config_of_version(model, version)
    expose(model, version)
    write_bytes(model / CONFIG_NAME, (model / str(version) / CONFIG_NAME).read_bytes())


def check_version(model: Path, version: int) -> Bundle | None:
    """Compare every file of a version with its hash, and its digital signature where its configuration asks for one.

    Returns:
        The bundle of the version; None if its flavour has none.

    Raises:
        DeployError: the version is damaged or not signed with that key; the message names both.
    """
    directory = model / str(version)
    config = config_of_version(model, version)
    text = parameters(config).get(PUBLIC_KEY_PARAMETER)
    try:
        if config.backend not in _WITH_BUNDLE:
            _check_record(directory)
            return None
        key = None if text is None else PublicKey.from_text(text, PUBLIC_KEY_PARAMETER)
        return Bundle.load(directory / _BUNDLE, key=key)
    except (LithoError, OSError) as error:
        raise DeployError(f"version {version} of {model.name} is damaged: {error}") from error


def prune(model: Path, keep: int, needed: Collection[int]) -> list[int]:
    """Remove the oldest versions of a model.

    Args:
        model: its directory.
        keep: number of versions that stay.
        needed: versions that stay whatever their number, such as the served one.

    Returns:
        The versions that were removed.
    """
    present = versions(model)
    spare = [version for version in present if version not in needed]
    removed = spare[: max(0, len(present) - keep)]
    for version in removed:
        remove_version(model, version)
    return removed


def remove_version(model: Path, version: int) -> None:
    """Remove a version that is not served."""
    remove_directory(model / str(version))
    forget(model, version)


def _check_record(directory: Path) -> None:
    """Compare the files of a version without a bundle with their record; an older litho wrote none."""
    try:
        records = json.loads((directory / RECORD_NAME).read_text(encoding="utf-8"))
        wanted = {name: FileRecord.model_validate(record) for name, record in records.items()}
    except FileNotFoundError:
        return
    except (ValueError, AttributeError):
        raise IntegrityError(f"{directory / RECORD_NAME} is not a record of files") from None
    for name, record in wanted.items():
        if FileRecord.of_file(ordinary_file(directory, name)) != record:
            raise IntegrityError(f"{directory / name} has changed: it is not the file that was deployed")
