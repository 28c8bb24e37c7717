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
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..bundle import Bundle
from ..bundle.keys import PublicKey
from ..bundle.manifest import GRADES, FileRecord, Grade, Variant
from ..bundle.names import check_name
from ..bundle.signing import signed_files
from ..errors import BundleError, DeployError, UnknownName
from ..files import locked, write_bytes, write_directory
from ..parity.gate import grade_of, weakest
from ..runners import choose_variants, named_variants
from ..runners.triton import ACCEPTED_PARAMETER, PUBLIC_KEY_PARAMETER, ServedModel
from .admission import prove_here
from .configuration import (
    CONFIG_NAME,
    Description,
    ModelConfig,
    ParseError,
    ServingSettings,
    configurations,
    parse_config,
    print_config,
    warm_up,
)
from .environment import BACKEND
from .flavours import Flavour, flavour as flavour_of
from .flavours.litho import served_files
from .placing import forget, place, write_parts

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
    settings: ServingSettings | None = None,
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
        settings: batching, queue and instances; by default the flavour's.

    Raises:
        UsageError: a name is unknown, or a variant does not fit the flavour or the settings.
        DeployError: a variant did not pass its gate, or promises less than `grade`, or the repository cannot be
            written; the version served before is still served.
        ProofError: the bundle lacks probes.
        TrustError: a digital signature is required, and the bundle has none or another.
        BundleError: there is no valid bundle at that path.
    """
    kind = flavour_of(flavour)
    if name is not None:
        check_name(name, "model name")
    if grade not in GRADES:
        raise UnknownName("grade", grade, GRADES)
    bundle, trusted = _loaded(bundle, require_signature)
    accept_failed = {one.name for given in accept_failed for one in named_variants(bundle, given)}
    chosen = _accepted(bundle, variant, accept_failed, grade, kind)
    model = Path(to) / (bundle.manifest.name if name is None else name)
    with _writing(model):
        before = _current(model)
        description = Description(
            model.name,
            bundle.manifest,
            chosen,
            version=max(_versions(model), default=0) + 1,
            settings=settings or kind.defaults,
            engines=_engines(bundle, chosen, kind, accept_failed, trusted is not None),
            **Description.proof_of(bundle),
        )
        configs = configurations(description, kind)
        for config in configs.values():
            if trusted is not None and kind.backend == BACKEND:
                config.parameters[PUBLIC_KEY_PARAMETER].string_value = trusted.text
            if any(one.name in accept_failed for one in chosen):
                # Whatever its verdict says: nobody proves it here.
                config.parameters[ACCEPTED_PARAMETER].string_value = "true"
        if before is not None and _is_same(before, bundle, description, configs):
            return before
        if trusted is None:
            prove_here(bundle, chosen, accept_failed)
        return _write(model, bundle, description, kind, configs)


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


def _loaded(
    bundle: Bundle | Path | str, require_signature: Path | str | None
) -> tuple[Bundle, PublicKey | None]:
    """The bundle, and the key that its digital signature was checked with."""
    if require_signature is None:
        return (bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)), None
    path = bundle.path if isinstance(bundle, Bundle) else bundle
    return Bundle.load(path, key=require_signature), PublicKey.read(require_signature)


def _accepted(
    bundle: Bundle, names: str | None, accept_failed: Collection[str], grade: Grade, kind: type[Flavour]
) -> tuple[Variant, ...]:
    def promised(variant: Variant) -> bool:
        return weakest((grade, grade_of(variant, bundle.manifest))) == grade

    def able(variant: Variant) -> bool:
        return promised(variant) and kind.takes(variant)

    try:
        chosen = choose_variants(bundle, names, able, portable=kind.portable)
    except BundleError:
        if not kind.portable:
            raise
        chosen = choose_variants(bundle, names)  # it passed but promises less, which is said below
    for variant in chosen:
        if variant.verdict.status == "not_offered" and variant.name not in accept_failed:
            raise DeployError(
                f"{variant.name} is not offered ({variant.verdict.reason});"
                f" deploy another variant, or insist with --accept-failed {variant.name}"
            )
        if variant.verdict.status != "passed" and variant.name not in accept_failed:
            raise DeployError(
                f"{variant.name} did not pass its gate ({variant.verdict.reason});"
                f" deploy another variant, or insist with --accept-failed {variant.name}"
            )
        if not promised(variant):
            less = grade_of(variant, bundle.manifest)
            raise DeployError(
                f"{variant.name} promises the {less} as PyTorch, not the {grade}; deploy another variant, or ask for"
                f" it with --grade {less.replace(' ', '-')}"
            )
    return chosen


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


def _engines(
    bundle: Bundle,
    chosen: Sequence[Variant],
    kind: type[Flavour],
    accept_failed: Collection[str],
    trusted: bool,
) -> tuple[Variant, ...]:
    """Engines of the same precision for other GPUs, which nobody can prove here: by signature or by name."""
    if kind.portable:
        return ()
    (first,) = chosen
    return tuple(
        variant
        for variant in bundle.manifest.variants
        if kind.takes(variant)
        and (variant.stage, variant.precision) == (first.stage, first.precision)
        and variant.target not in (None, first.target)
        and (variant.name in accept_failed or (trusted and variant.verdict.status == "passed"))
    )


def _write(
    model: Path,
    bundle: Bundle,
    description: Description,
    kind: type[Flavour],
    configs: Mapping[str, ModelConfig],
) -> Deployment:
    version = description.version
    directory = model / str(version)
    is_new = not model.exists()
    config = configs[CONFIG_NAME]
    try:
        with write_directory(directory) as temporary:
            kind.write(temporary, bundle, description)
            write_parts(temporary, version, configs, warm_up(description, kind))
        place(model, version)
        write_bytes(model / CONFIG_NAME, print_config(config))
    except BaseException:
        # A server does not become ready while a model folder has no configuration.
        shutil.rmtree(model if is_new else directory, ignore_errors=True)
        forget(model, version)
        raise
    return Deployment(model, version, ServedModel.from_parameters(_parameters(config)))


def _is_same(
    before: Deployment, bundle: Bundle, description: Description, configs: Mapping[str, ModelConfig]
) -> bool:
    """Whether a version is already served with the same files and configurations, but for its number."""
    directory = before.path / str(before.version)
    config = configs[CONFIG_NAME]
    if config.backend == BACKEND and signed_files(directory / "bundle") != signed_files(bundle.path):
        return False
    for path, wanted in configs.items():
        try:
            current = parse_config((before.path / path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        if _unnumbered(current) != _unnumbered(wanted):
            return False
    return all(
        _served_record(directory, file) == bundle.manifest.files[file]
        for file in served_files(bundle, description.variants)
    )


def _unnumbered(config: ModelConfig) -> ModelConfig:
    """A configuration without the number of its version."""
    plain = type(config)()
    plain.CopyFrom(config)
    plain.ClearField("version_policy")
    for request in plain.model_warmup:
        for entry in request.inputs.values():
            entry.input_data_file = entry.input_data_file.partition("/")[2]
    return plain


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
