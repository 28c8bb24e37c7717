"""The protocol of flavours - the Triton backends that a bundle can be deployed for - and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ....bundle import Bundle, BundleWriter
from ....bundle.manifest import Manifest, Variant
from ....errors import UsageError
from ....plugins import load_plugin, plugin_names
from ..description import Description, ModelConfig
from ..settings import ServingSettings

__all__ = ["Flavour", "check_is_one_graph", "flavour", "flavour_names", "flavour_summaries", "refuse"]

_PACKAGE = "litho.serving.configuration.flavours"
USUAL = "litho"
"""The flavour that serves every bundle, which messages recommend."""


class Flavour(ABC):
    """One Triton backend. A subclass is called `Flavour` in a module of this folder.

    Class attributes declare what the rest of litho derives from the registry:

        name             of the flavour, as `litho deploy --flavour` takes it
        summary          what it is for, in a few words
        backend          Triton's name of the backend
        platform         Triton's name of the platform; empty where it has none
        file             of the model in a version directory; empty if the backend reads a bundle
        runtimes         runtimes whose variants it serves; empty for all
        portable         whether it takes ONNX graphs by default, and no engines
        optional_inputs  whether a request may leave out an input that has a default
        defaults         the settings unless others are given
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    backend: ClassVar[str]
    platform: ClassVar[str] = ""
    file: ClassVar[str] = ""
    runtimes: ClassVar[tuple[str, ...]] = ()
    portable: ClassVar[bool] = True
    optional_inputs: ClassVar[bool] = False
    defaults: ClassVar[ServingSettings] = ServingSettings()

    @classmethod
    def takes(cls, variant: Variant) -> bool:
        """Whether it may serve a variant that nobody named."""
        return not cls.runtimes or variant.runtime in cls.runtimes

    @classmethod
    def check(cls, manifest: Manifest, variants: Sequence[Variant], settings: ServingSettings) -> None:
        """Refuse what the backend cannot serve.

        Raises:
            UsageError: variants or settings do not fit it; the message says what does.
        """
        del manifest, variants, settings  # a flavour may take everything

    @classmethod
    def filled(cls, description: Description) -> tuple[int, ...]:
        """Batch sizes that its runner fills batches up to, so that each is worth a warm-up."""
        del description
        return ()

    @classmethod
    @abstractmethod
    def complete(cls, config: ModelConfig, description: Description) -> None:
        """Write into a configuration what only this backend understands."""

    @classmethod
    def forms(cls, config: ModelConfig, description: Description) -> dict[str, ModelConfig]:
        """Further configurations of the same version for other devices, by Triton's `--model-config-name`."""
        del config, description
        return {}

    @classmethod
    @abstractmethod
    def copies(cls, description: Description) -> dict[str, str]:
        """Files of the bundle that a version holds: path in the version directory -> path in the bundle."""

    @classmethod
    def files(cls, description: Description) -> tuple[str, ...]:
        """Paths in the version directory that the backend reads."""
        return tuple(cls.copies(description))

    @classmethod
    def write(cls, folder: Path, bundle: Bundle, description: Description) -> None:
        """Write the files of a version directory but its configurations."""
        writer = BundleWriter(folder)
        for name, path in cls.copies(description).items():
            writer.copy(bundle, path, name)


def flavour_names() -> tuple[str, ...]:
    """Names of all flavours in alphabetical order; none of them is imported."""
    return tuple(name.replace("_", "-") for name in plugin_names(_PACKAGE))


def flavour_summaries() -> tuple[str, ...]:
    """Name and summary of each flavour, for help."""
    return tuple(f"{name} ({flavour(name).summary})" for name in flavour_names())


def flavour(name: str) -> type[Flavour]:
    """The flavour called `name`.

    Raises:
        UnknownName: there is none.
    """
    return load_plugin(_PACKAGE, name, "flavour").Flavour


def check_is_one_graph(name: str, manifest: Manifest, variants: Sequence[Variant], runtime: str) -> None:
    """Refuse several stages, and variants of another runtime than a backend runs.

    Args:
        name: of the flavour.
        manifest: of the bundle.
        variants: to serve.
        runtime: that the backend runs.

    Raises:
        UsageError: the message names a flavour that serves them.
    """
    if manifest.sampler is not None:
        raise UsageError(
            f"{manifest.name} has {len(manifest.stages)} stages that a sampler runs in turn; flavour {name!r}"
            f" takes one graph; deploy it with flavour {USUAL!r}"
        )
    for variant in variants:
        if variant.runtime != runtime:
            raise UsageError(
                f"variant {variant.name!r} is for {variant.runtime}, not {runtime};"
                f" deploy it with flavour {USUAL!r}"
            )


def refuse(name: str, settings: ServingSettings, **why: str) -> None:
    """Refuse settings that a backend has no use for.

    Args:
        name: of the flavour.
        settings: given.
        why: name of a setting -> what to do instead.

    Raises:
        UsageError: one of them was given, and is not its default.
    """
    plain = ServingSettings()
    for setting, instead in why.items():
        given = getattr(settings, setting)
        if given != getattr(plain, setting):
            raise UsageError(
                f"{setting} was given {given!r}, but flavour {name!r} has no use for it; {instead}"
            )
