"""Bundle -> Triton model repository: versions are written completely or not at all, and can be rolled back.

Layout of a deployment, which Triton calls a model:

    <name>/config.pbtxt              configuration of the served version
    <name>/configs/<gpu>.pbtxt       for other devices, as `tritonserver --model-config-name` chooses them
    <name>/warmup/<version>/         inputs of the warm-up of each version
    <name>/<version>/config.pbtxt    copies from the time of deployment, for `rollback`; so are configs/ and warmup/
    <name>/<version>/bundle/         flavour litho: the served part of the bundle; of a signed one, bundle/signed/
                                     holds the signed manifest of the whole
    <name>/<version>/model.onnx      flavour onnxruntime
    <name>/<version>/model.plan      flavour tensorrt
    <name>/<version>/model.py        flavour python of an older litho, beside bundle/

Only config.pbtxt says which version is served. It is replaced atomically, in the last step.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..bundle import Bundle
from ..bundle.manifest import FileRecord, Grade
from ..bundle.signing import signed_files
from ..errors import DeployError, UnknownName
from ..files import locked, write_bytes, write_directory
from ..runners.triton import ServedModel
from .admission import prove_here
from .configuration import CONFIG_NAME, ModelConfig, ParseError, parse_config, print_config
from .environment import BACKEND
from .flavours.litho import served_files
from .placing import forget, place
from .planning import Plan, Wanted
from .settings import ServingSettings

__all__ = ["Deployment", "deploy", "deployed", "rollback", "served_config"]


@dataclass(frozen=True)
class Deployment:
    """The served version of a model in a repository.

    Args:
        path: the model's directory.
        version: the version that is served.
        served: signature, bundle and variant of that version.
    """

    path: Path
    version: int
    served: ServedModel

    def __repr__(self) -> str:
        return f"<Deployment {self.path}, version {self.version}, variant {self.served.variant}>"


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
) -> Deployment:
    """Write one variant of each stage of a bundle as the next version of a model, and serve that version.

        >>> deploy_model("bundles/digits", to="models", name="digits")
        <Deployment models/digits, version 1, variant generator.fp32.onnx>

    Earlier versions stay. A bundle that is already served in the same form is not written again. Before anything is
    written, the probes are replayed here, as a verdict in a manifest is only a claim. A bundle whose required
    digital signature is right is taken at its word.

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

    Raises:
        UsageError: a name is unknown, or a variant does not fit the flavour or the settings.
        DeployError: a variant did not pass its gate, or promises less than `grade`, or the repository cannot be
            written; the version served before is still served.
        ProofError: the bundle lacks probes.
        TrustError: a digital signature is required, and the bundle has none or another.
        BundleError: there is no valid bundle at that path.
    """
    wanted = Wanted(name, variant, flavour, accept_failed, grade, require_signature, settings)
    plan = Plan.of(bundle, wanted)
    model = Path(to) / plan.description.name
    with _writing(model):
        before = _current(model)
        plan = Plan.of(plan.bundle, wanted, version=max(_versions(model), default=0) + 1)
        plan.check()
        if before is not None and _is_same(before, plan):
            return before
        if not plan.trusted:
            prove_here(plan.bundle, plan.description.variants, plan.named)
        return _write(model, plan)


def deployed(repository: Path | str, name: str) -> Deployment | None:
    """The served version of a model; None if the repository has no such model.

    Raises:
        DeployError: litho did not deploy the model.
    """
    return _current(Path(repository) / name)


def rollback(repository: Path | str, name: str) -> int:
    """Serve the version before the served one.

    Returns:
        The version that is now served.

    Raises:
        UnknownName: there is no such model.
        DeployError: there is no earlier version, or the configuration cannot be written.
    """
    root = Path(repository)
    names = sorted(path.parent.name for path in root.glob(f"*/{CONFIG_NAME}"))
    if not names:
        raise DeployError(f"{root} is not a model repository: none of its folders holds a {CONFIG_NAME}")
    current = _current(root / name) if name in names else None
    if current is None:
        raise UnknownName("model", name, names)
    earlier = [version for version in _versions(current.path) if version < current.version]
    if not earlier:
        raise DeployError(
            f"{current.path} has no version before {current.version}; deploy the bundle you want"
        )
    version = max(earlier)
    with _writing(current.path):
        place(current.path, version)
        write_bytes(current.path / CONFIG_NAME, (current.path / str(version) / CONFIG_NAME).read_bytes())
    return version


def served_config(model: Path) -> ModelConfig:
    """The configuration of a model's served version.

    Raises:
        ParseError: it is not one.
    """
    return parse_config((model / CONFIG_NAME).read_text(encoding="utf-8"))


@contextmanager
def _writing(model: Path) -> Iterator[None]:
    """Lock the model against other writers; if writing fails, report which version is still served."""
    try:
        busy = DeployError(f"another process is writing {model}; wait until it ends")
        with locked(model.parent / f".{model.name}.lock", busy):
            yield
    except OSError as error:
        before = _current(model)
        still = f"version {before.version} is still served" if before else "nothing is served"
        raise DeployError(f"cannot write {model}: {error.strerror or error}; {still}") from error


def _write(model: Path, plan: Plan) -> Deployment:
    version = plan.description.version
    directory = model / str(version)
    is_new = not model.exists()
    try:
        with write_directory(directory) as temporary:
            plan.write(temporary)
        place(model, version)
        write_bytes(model / CONFIG_NAME, print_config(plan.config))
    except BaseException:
        # A server does not become ready while a model folder has no configuration.
        shutil.rmtree(model if is_new else directory, ignore_errors=True)
        forget(model, version)
        raise
    return Deployment(model, version, ServedModel.from_parameters(_parameters(plan.config)))


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
        _served_record(directory, file) == bundle.manifest.files[file]
        for file in served_files(bundle, plan.description.variants)
    )


def _served_record(directory: Path, relative: str) -> FileRecord | None:
    """Size and hash of a bundle's file in a version directory."""
    for file in (directory / "bundle" / relative, directory / "model.onnx", directory / "model.plan"):
        if file.is_file():
            return FileRecord.of(file.read_bytes())
    return None


def _current(model: Path) -> Deployment | None:
    try:
        config = served_config(model)
        (version,) = config.version_policy.specific.versions
        return Deployment(model, version, ServedModel.from_parameters(_parameters(config)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ParseError, ValueError):  # also pydantic's errors, and a policy without a single version
        raise DeployError(f"{model} was not deployed by litho; give another --name") from None


def _parameters(config: ModelConfig) -> dict[str, str]:
    return {key: value.string_value for key, value in config.parameters.items()}


def _versions(model: Path) -> list[int]:
    if not model.is_dir():
        return []
    return [int(path.name) for path in model.iterdir() if path.name.isdecimal() and path.is_dir()]
