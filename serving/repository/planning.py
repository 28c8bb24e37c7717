"""What a deployment is going to write: the variants that may be served, and every configuration and file of a version.

Nothing is written here. `repository.deploy` writes a plan, and `litho deploy --check` says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...bundle import Bundle
from ...bundle.keys import PublicKey
from ...bundle.manifest import GRADES, Grade, Variant
from ...bundle.names import check_name
from ...errors import BundleError, DeployError, UnknownName, UsageError
from ...files import write_bytes
from ...parity.gate import grade_of, weakest
from ...runners import choose_variants, named_variants
from ...runners.triton import ACCEPTED_PARAMETER, PUBLIC_KEY_PARAMETER
from ..backend import BACKEND
from ..configuration.checks import Violation, check_plan
from ..configuration.flavours import Flavour, flavour as flavour_of
from ..configuration.model_config import (
    CONFIG_NAME,
    Description,
    ModelConfig,
    configurations,
    print_config,
    warm_up,
)
from ..configuration.settings import ServingSettings
from ..configuration.warm_up import WARM_UP

__all__ = ["Plan", "Wanted", "problems"]

Settings = ServingSettings | Mapping[str, Any]
"""Settings, or those that differ from the flavour's, name -> value."""


@dataclass(frozen=True)
class Wanted:
    """What to deploy; see `repository.deploy`, which takes these arguments.

    Raises:
        UnknownName: there is no such flavour or grade.
        UsageError: the name cannot be a model's.
    """

    name: str | None = None
    variant: str | None = None
    flavour: str = BACKEND
    accept_failed: Collection[str] = ()
    grade: Grade = "same picture"
    require_signature: Path | str | None = None
    settings: Settings | None = None

    def __post_init__(self) -> None:
        flavour_of(self.flavour)
        if self.name is not None:
            check_name(self.name, "model name")
        if self.grade not in GRADES:
            raise UnknownName("grade", self.grade, GRADES)

    @property
    def kind(self) -> type[Flavour]:
        """The flavour."""
        return flavour_of(self.flavour)

    def settled(self) -> ServingSettings:
        """The settings; whatever is not given is the flavour's default.

        Raises:
            UsageError: they contradict themselves.
        """
        given = self.settings
        if isinstance(given, ServingSettings):
            return given
        return replace(self.kind.defaults, **(given or {}))

    def unchecked(self) -> ServingSettings:
        """The settings, which may contradict themselves."""
        if isinstance(self.settings, ServingSettings):
            return self.settings
        return ServingSettings.unchecked({**asdict(self.kind.defaults), **(self.settings or {})})


@dataclass(frozen=True)
class Plan:
    """One version before it is written.

    Args:
        bundle: that it is made of.
        description: of the version.
        kind: its flavour.
        configs: path in the model's directory -> configuration.
        inputs: path in the model's directory -> content, of the files of its warm-up.
        named: names of variants that were accepted although they failed, or cannot be proven.
        trusted: whether the bundle's digital signature was checked.
    """

    bundle: Bundle
    description: Description
    kind: type[Flavour]
    configs: Mapping[str, ModelConfig]
    inputs: Mapping[str, bytes]
    named: frozenset[str]
    trusted: bool

    @classmethod
    def of(cls, bundle: Bundle | Path | str, wanted: Wanted, *, version: int = 1) -> Plan:
        """Choose the variants, and describe the version.

        Raises:
            UsageError: a variant does not fit the flavour or the settings.
            DeployError: a variant did not pass its gate, or promises less than the grade.
            TrustError: a digital signature is required, and the bundle has none or another.
            BundleError: there is no valid bundle at that path.
        """
        opened, key = _loaded(bundle, wanted.require_signature)
        kind = wanted.kind
        named = frozenset(one.name for given in wanted.accept_failed for one in named_variants(opened, given))
        chosen = _accepted(opened, wanted, named)
        description = Description(
            opened.manifest.name if wanted.name is None else wanted.name,
            opened.manifest,
            chosen,
            version=version,
            settings=wanted.settled(),
            engines=_engines(opened, chosen, kind, named, key is not None),
            **Description.proof_of(opened),
        )
        configs = configurations(description, kind)
        for config in configs.values():
            if key is not None and kind.backend == BACKEND:
                config.parameters[PUBLIC_KEY_PARAMETER].string_value = key.text
            if any(one.name in named for one in chosen):
                # Whatever its verdict says: nobody proves it here.
                config.parameters[ACCEPTED_PARAMETER].string_value = "true"
        return cls(opened, description, kind, configs, warm_up(description, kind), named, key is not None)

    @property
    def config(self) -> ModelConfig:
        """The configuration that is served unless a server chooses another one."""
        return self.configs[CONFIG_NAME]

    def violations(self) -> list[Violation]:
        """Every rule of Triton that the version breaks."""
        return check_plan(self.description, self.kind, self.configs, self.inputs)

    def check(self) -> None:
        """Refuse a version that breaks a rule.

        Raises:
            DeployError: names the first one.
        """
        found = self.violations()
        if found:
            more = f" (and {len(found) - 1} more; --check lists them)" if len(found) > 1 else ""
            raise DeployError(f"Triton would not serve {self.description.name}: {found[0]}{more}")

    def write(self, directory: Path) -> None:
        """Write the version into its new directory: the model, its configurations, the inputs of its warm-up."""
        directory.mkdir(exist_ok=True)
        self.kind.write(directory, self.bundle, self.description)
        for path, config in self.configs.items():
            write_bytes(directory / path, print_config(config))
        prefix = f"{WARM_UP}/{self.description.version}"
        for path, content in self.inputs.items():
            write_bytes(directory / WARM_UP / Path(path).relative_to(prefix), content)

    def is_same(self, served: Mapping[str, ModelConfig]) -> bool:
        """Whether these configurations, of an earlier version, are equal but for the version's number."""
        return served.keys() == self.configs.keys() and all(
            _unnumbered(served[path]) == _unnumbered(config) for path, config in self.configs.items()
        )


def problems(bundle: Bundle | Path | str, wanted: Wanted) -> list[Violation]:
    """Everything that would keep Triton from serving a deployment as it is described; nothing is written.

    Args:
        bundle: the bundle, or its directory.
        wanted: what to deploy.

    Raises:
        DeployError: a variant did not pass its gate, or promises less than the grade.
        BundleError: there is no valid bundle at that path.
    """
    unchecked = wanted.unchecked()
    found = [Violation("settings", complaint) for complaint in unchecked.complaints()]
    try:
        found += Plan.of(bundle, replace(wanted, settings=unchecked)).violations()
    except UsageError as error:
        found.append(Violation("settings", str(error)))
    return list(dict.fromkeys(found))


def _loaded(
    bundle: Bundle | Path | str, require_signature: Path | str | None
) -> tuple[Bundle, PublicKey | None]:
    """The bundle, and the key that its digital signature was checked with."""
    if require_signature is None:
        return (bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)), None
    path = bundle.path if isinstance(bundle, Bundle) else bundle
    return Bundle.load(path, key=require_signature), PublicKey.read(require_signature)


def _accepted(bundle: Bundle, wanted: Wanted, accept_failed: Collection[str]) -> tuple[Variant, ...]:
    grade, kind = wanted.grade, wanted.kind

    def promised(variant: Variant) -> bool:
        return weakest((grade, grade_of(variant, bundle.manifest))) == grade

    def able(variant: Variant) -> bool:
        return promised(variant) and kind.takes(variant)

    try:
        chosen = choose_variants(bundle, wanted.variant, able, portable=kind.portable)
    except BundleError:
        if not kind.portable and wanted.variant is None:
            raise DeployError(
                f"{bundle.path} has no engine that flavour {kind.name!r} serves, promises the {grade} and passed its"
                f" gate; make one on the machine with the GPU: litho build-engine {bundle.path}"
            ) from None
        if not kind.portable:
            raise
        chosen = choose_variants(bundle, wanted.variant)  # it passed but promises less, which is said below
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


def _engines(
    bundle: Bundle,
    chosen: Sequence[Variant],
    kind: type[Flavour],
    accept_failed: Collection[str],
    trusted: bool,
) -> tuple[Variant, ...]:
    """Engines of the same precision for other GPUs, which nobody can prove here: by signature or by name."""
    first = chosen[0]
    if kind.portable:
        return ()
    return tuple(
        variant
        for variant in bundle.manifest.variants
        if kind.takes(variant)
        and (variant.stage, variant.precision) == (first.stage, first.precision)
        and variant.target not in (None, first.target)
        and (variant.name in accept_failed or (trusted and variant.verdict.status == "passed"))
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
