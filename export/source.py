"""What to export: a run or a user's own module, opened as a pipeline with its provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundle import MANIFEST_NAME
from ..bundle.names import valid_name
from ..errors import UsageError
from ..signature.fields import Role
from .explanations import explanation_of
from .pipeline import FreeOrSize, Pipeline

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Source", "bundle_name", "format_size", "from_module", "from_run", "open_source"]

_GUIDE = "docs/bring-your-own-model.md"
_OF_OTHER_LIBRARIES = ("model_index.json", "config.json")
"""What `save_pretrained` of diffusers and transformers writes beside weights."""


@dataclass(frozen=True)
class Source:
    """A generator to export, with its provenance.

    Args:
        pipeline: the generator in PyTorch, in eval mode, and its stages.
        family: of the generator; for a user's own module, the name of what built it.
        preset: the preset that trained it; None without one.
        licence: SPDX identifier of the weights; None if unknown.
        weights_sha256: hash of the weights.
        data: the training data, as `--data` takes it; None if unknown.
        settled: whether equal weights mean an equal generator. True of litho's families, whose code is that of litho's
            version; a user's own code may have changed since the last export.
        signature_sha256: of a user's own module, hash of its signature file and of the constants in it.
        explanation: of a run: path in the bundle -> content; empty without one.
    """

    pipeline: Pipeline
    family: str
    preset: str | None
    licence: str | None
    weights_sha256: str
    data: str | None = None
    settled: bool = True
    signature_sha256: str | None = None
    explanation: Mapping[str, bytes] = field(default_factory=dict)


def open_source(
    source: Path | str | nn.Module | Callable[[], nn.Module],
    *,
    input: str | None = None,
    signature: Path | str | Mapping[str, Any] | None = None,
    weights: Path | str | None = None,
    size: FreeOrSize | None = None,
) -> Source:
    """Open a user's own module if a signature is given, otherwise a run.

    Args:
        source: a run's directory, or for `from_module` a module or what builds one.
        input: what the graph takes first; by default what the generator does.
        signature: of a user's own module: a file, or its content.
        weights: of a user's own module: a file.
        size: of the pictures that come in; by default the generator's own.

    Raises:
        LithoError: see `from_run`, `from_module` and `Pipeline.resize`.
    """
    opened = _open(source, input, signature, weights)
    if size is None:
        return opened
    if not opened.settled:
        from .user_module.dry_run import try_other_size

        try_other_size(opened.pipeline.resize("free").model)
    # Its pictures have the generator's own size.
    return replace(opened, pipeline=opened.pipeline.resize(size), explanation={})


def _open(
    source: Path | str | nn.Module | Callable[[], nn.Module],
    input: str | None,
    signature: Path | str | Mapping[str, Any] | None,
    weights: Path | str | None,
) -> Source:
    if signature is not None:
        build = str(source) if isinstance(source, Path) else source
        return from_module(build, signature, None if weights is None else Path(weights), input)
    if not isinstance(source, Path | str):
        shown = getattr(source, "__name__", type(source).__name__)
        raise UsageError(f"{shown!r} needs a signature, which describes its inputs and its output")
    from ..training.run.snapshot import INFO_NAME

    if not (Path(source) / INFO_NAME).exists():
        raise UsageError(_not_a_run(str(source), INFO_NAME))
    if weights is not None:
        raise UsageError(
            "--weights needs --signature: it is for a module of your own; a run has its own weights"
        )
    return from_run(Path(source), input)


def _not_a_run(source: str, wanted: str) -> str:
    """Why there is nothing to export at `source`, which lacks the file `wanted`."""
    own = f"--signature signature.yaml (see {_GUIDE})"
    if ":" in source:
        return f"{source!r} needs a signature, which describes its inputs and its output: add {own}"
    if source.endswith(".py"):
        return f"{source!r} names no function that builds the module; give {source}:NAME {own}"
    if source.endswith((".safetensors", ".pt", ".pth", ".bin", ".ckpt")):
        return (
            f"{source!r} has weights but no network; name a function that builds the network:"
            f" litho export my_net.py:build --weights {source} {own}"
        )
    if (Path(source) / MANIFEST_NAME).exists():
        return f"{source!r} is a bundle already; export the run that it was made from"
    if any((Path(source) / name).exists() for name in _OF_OTHER_LIBRARIES):
        return (
            f"{source!r} holds a model of another library; name a function of yours that loads it, such as by"
            f" from_pretrained: litho export my_net.py:build {own}"
        )
    return f"no finished run at {source!r}; expected a folder with {wanted}, made by 'litho train'"


def from_run(run: Path, input: str | None = None) -> Source:
    """The snapshot of a run.

    Args:
        run: the run's directory.
        input: a key of the generator's `forms`; by default the first.

    Raises:
        CheckpointError: the snapshot cannot be used.
        UsageError: the generator has no such form.
    """
    from ..training.run.snapshot import load_snapshot

    snapshot = load_snapshot(run)
    info, pipeline = snapshot.info, Pipeline.of(snapshot.picture(input))
    data = None if info.data is None else info.data.name
    # Another form, such as an autoencoder of pictures, is another network than the one that was explained.
    explained = (None, "latent", "seed" if info.signature.field(Role.SEED) else "image")
    explanation = explanation_of(run, info.weights_sha256) if input in explained else {}
    return Source(
        pipeline, info.family, info.preset, info.licence, info.weights_sha256, data, explanation=explanation
    )


def from_module(
    build: str | nn.Module | Callable[[], nn.Module],
    signature: Path | str | Mapping[str, Any],
    weights: Path | None = None,
    input: str | None = None,
) -> Source:
    """A user's own module.

    Args:
        build: the module, in eval mode and FP32; or a callable without arguments that returns it; or the name of one
            as "package.module:name" or "file.py:name", whose import runs the user's code.
        signature: the signature file (`user_module.signature_file`), or its content.
        weights: a file to load into the module; by default the module keeps its own weights.
        input: "seed", "latent" or "image"; by default the first that the signature declares.

    Raises:
        UsageError: the signature, the name or the input is not valid.
        CheckpointError: the weights cannot be read or do not fit.
        ExportError: the module cannot be built or exported.
    """
    from torch import nn

    from .user_module.adapter import build_module, load_module, load_weights, user_model
    from .user_module.signature_file import read_declaration

    declaration = read_declaration(signature)
    if isinstance(build, nn.Module):
        module, family = build, _qualified(type(build))
    elif isinstance(build, str):
        module, family = load_module(build), _module_name(build) + build[build.rindex(":") :]
    else:
        family = _qualified(build)
        module = build_module(build, family)
    digest = load_weights(module, weights)
    pipeline = Pipeline.of(user_model(module, declaration, input))
    return Source(
        pipeline,
        family,
        None,
        declaration.licence,
        digest,
        settled=False,
        signature_sha256=declaration.sha256,
    )


def bundle_name(
    source: str,
    input: str | None,
    *,
    user_module: bool,
    fixed: Mapping[str, int] | None = None,
    size: FreeOrSize | None = None,
) -> str:
    """The default name of a bundle: the run or the module, then what was asked of its graph.

    Characters that no bundle's name has are replaced.
    """
    parts = [
        _module_name(source).rpartition(".")[2] if user_module else _folder_name(Path(source)),
        *([input] if input else []),
        *([format_size(size)] if size else []),
        *(f"{field}-{value}" for field, value in (fixed or {}).items()),
    ]
    return valid_name("-".join(parts))


def _folder_name(run: Path) -> str:
    """The last part of the path; of one such as "." or "runs/digits/..", that of the folder that it leads to."""
    return run.name if run.name not in ("", "..") else run.resolve().name


def _module_name(reference: str) -> str:
    """Name of the module in "package.module:name" or "folder/file.py:name"."""
    module = reference.rpartition(":")[0]
    return Path(module).stem if module.endswith(".py") else module


def format_size(size: FreeOrSize) -> str:
    """A size as the command line takes it: "free", or height x width."""
    return "x".join(map(str, size)) if isinstance(size, tuple) else size


def _qualified(build: Any) -> str:
    return f"{build.__module__}:{getattr(build, '__qualname__', type(build).__qualname__)}"
