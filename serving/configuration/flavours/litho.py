"""Flavour `litho`: litho's own backend runs any bundle through its runners and checks every request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....bundle import Bundle, BundleWriter
from ....bundle.explanation import is_explanation_file
from ....bundle.manifest import TOKENIZER_NAME, Manifest, Variant
from ....bundle.probes import PROBES_NAME
from ....bundle.signing import MANIFEST_NAME, SIGNED_FOLDER, signed_files
from ....errors import UsageError
from ....files import write_bytes
from ....runners.base import runner_class
from ..description import Description, ModelConfig, triton
from ..settings import ServingSettings
from . import base

__all__ = ["BUNDLE", "Flavour"]

BUNDLE = "bundle"
"""Folder of the served part of a bundle, in a version directory."""


class Flavour(base.Flavour):
    """Any bundle, on the embedded server or a container with litho in it."""

    name = "litho"
    summary = "every bundle"
    backend = "litho"
    optional_inputs = True

    @classmethod
    def check(cls, manifest: Manifest, variants: Sequence[Variant], settings: ServingSettings) -> None:
        """Only a sampler has steps between which pictures can come and go."""
        if settings.batching == "in-flight" and manifest.sampler is None:
            raise UsageError(
                f"batching 'in-flight' was given, but {manifest.name} is one graph without steps; leave it out"
            )
        base.refuse(
            cls.name,
            settings,
            cuda_graphs="it is for flavour 'tensorrt'",
            tensorrt="export a variant for runtime 'tensorrt' instead",
        )

    @classmethod
    def filled(cls, description: Description) -> tuple[int, ...]:
        """On a GPU, those of the variants' runners."""
        if description.settings.device == "cpu":
            return ()
        return tuple(
            {size for variant in description.variants for size in runner_class(variant.runtime).filled}
        )

    @classmethod
    def complete(cls, config: ModelConfig, description: Description) -> None:
        """How the backend batches, as parameters, and the outputs of a stream."""
        settings = description.settings
        parameters = {"litho_batching": settings.batching}
        if settings.threads is not None:
            parameters["litho_threads"] = str(settings.threads)
        if settings.batching == "in-flight":
            parameters["litho_live_rows"] = str(settings.live_rows or "auto")
            if settings.lanes is not None:
                parameters["litho_lanes"] = str(settings.lanes)
            config.model_transaction_policy.decoupled = True
            for name in ("row", "step"):
                config.output.add(name=name, data_type=triton.DataType.Value("TYPE_INT64"), dims=(1,))
        for key, text in parameters.items():
            config.parameters[key].string_value = text

    @classmethod
    def copies(cls, description: Description) -> dict[str, str]:
        """The files of the served variants, the tokenizer, the probes, and the explanation.

        A version that comes back is proven by its probes. The gateway shows the explanation.
        """
        listed = description.manifest.files
        files = [path for variant in description.variants for path in variant.paths(listed)]
        files += [name for name in (TOKENIZER_NAME, PROBES_NAME) if name in listed]
        return {f"{BUNDLE}/{path}": path for path in (*files, *filter(is_explanation_file, listed))}

    @classmethod
    def files(cls, description: Description) -> tuple[str, ...]:
        """The manifest of the served part, which lists the rest."""
        return (f"{BUNDLE}/{MANIFEST_NAME}",)

    @classmethod
    def write(cls, folder: Path, bundle: Bundle, description: Description) -> None:
        """Write a bundle of the served variants only; its manifest has the hashes of the served files."""
        path = folder / BUNDLE
        path.mkdir()
        writer = BundleWriter(path)
        for file in cls.copies(description).values():
            writer.copy(bundle, file)
        rest = bundle.manifest.model_dump(exclude={"files", "variants", "schema_version"})
        writer.finish(**rest, variants=description.variants)
        for name, content in signed_files(bundle.path).items():
            write_bytes(path / SIGNED_FOLDER / name, content)
