"""Where what is exported comes from: its pipeline, and what a bundle says of its origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundle import MANIFEST_NAME
from ..errors import UsageError
from .pipeline import FreeOrSize, Pipeline

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Source", "bundle_name", "from_module", "from_run", "open_source", "size_words"]

_GUIDE = "docs/bring-your-own-model.md"


@dataclass(frozen=True)
class Source:
    """A generator to export, with its provenance.

    Args:
        pipeline: the generator in PyTorch, in eval mode, and its stages.
        family: of the generator; of a user's own module, what made it.
        preset: that trained it; None where none did.
        licence: SPDX identifier of the weights; None where unknown.
        weights_sha256: of the weights.
        data: that the weights were trained on, as `--data` takes it; None where unknown.
        settled: whether equal weights mean an equal generator. True of litho's families, whose code is as fixed as
            litho's version; a user's own code may have changed since the last export.
    """

    pipeline: Pipeline
    family: str
    preset: str | None
    licence: str | None
    weights_sha256: str
    data: str | None = None
    settled: bool = True


def open_source(
    source: Path | str | nn.Module | Callable[[], nn.Module],
    *,
    input: str | None = None,
    signature: Path | str | Mapping[str, Any] | None = None,
    weights: Path | str | None = None,
    size: FreeOrSize | None = None,
) -> Source:
    """What is to be exported: with a signature a user's own module, without one a run.

    Args:
        source: a run's directory, or for `from_module` a module or what makes one.
        input: what the graph is fed; by default what the generator takes first.
        signature: of a user's own module: a file, or what it would hold.
        weights: of a user's own module: a file.
        size: of the pictures that come in, where it is not the generator's own.

    Raises:
        LithoError: as `from_run`, `from_module` and `Pipeline.resize` raise.
    """
    opened = _opened(source, input, signature, weights)
    if size is None:
        return opened
    if not opened.settled:
        from .user_module.dry_run import try_other_size

        try_other_size(opened.pipeline.resize("free").model)
    return replace(opened, pipeline=opened.pipeline.resize(size))


def _opened(
    source: Path | str | nn.Module | Callable[[], nn.Module],
    input: str | None,
    signature: Path | str | Mapping[str, Any] | None,
    weights: Path | str | None,
) -> Source:
    if signature is not None:
        made_by = str(source) if isinstance(source, Path) else source
        return from_module(made_by, signature, None if weights is None else Path(weights), input)
    if not isinstance(source, Path | str):
        shown = getattr(source, "__name__", type(source).__name__)
        raise UsageError(f"{shown!r} needs a signature, which describes its inputs and its output")
    from ..training.run.snapshot import INFO_NAME

    if not (Path(source) / INFO_NAME).exists():
        raise UsageError(_not_a_run(str(source), INFO_NAME))
    if weights is not None:
        raise UsageError(
            "a run has weights of its own; --weights goes with --signature, for a module of your own"
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
    return f"no finished run at {source!r}; expected a folder with {wanted}, made by 'litho train'"


def from_run(run: Path, input: str | None = None) -> Source:
    """The snapshot in a run's directory.

    Args:
        run: a run's directory.
        input: a key of the generator's `forms`; by default the first.

    Raises:
        CheckpointError: the snapshot cannot be used.
        UsageError: the generator has no such form.
    """
    from ..training.run.snapshot import load_snapshot

    snapshot = load_snapshot(run)
    info, pipeline = snapshot.info, Pipeline.of(snapshot.picture(input))
    data = None if info.data is None else info.data.name
    return Source(pipeline, info.family, info.preset, info.licence, info.weights_sha256, data)


def from_module(
    made_by: str | nn.Module | Callable[[], nn.Module],
    signature: Path | str | Mapping[str, Any],
    weights: Path | None = None,
    input: str | None = None,
) -> Source:
    """A user's own module.

    Args:
        made_by: the module, in eval mode and FP32; or a callable without arguments that gives it; or the name of one
            as "package.module:name" or "file.py:name", whose import runs the user's code.
        signature: the file that says what it takes and gives (`declaration`), or what that file would hold.
        weights: a file to load into the module; by default it keeps its own.
        input: "seed", "latent" or "image"; by default what was declared first.

    Raises:
        UsageError: the signature, the name or the input cannot be used.
        CheckpointError: the weights cannot be read or do not fit.
        ExportError: the module cannot be made, or not be exported as it is.
    """
    from torch import nn

    from .user_module.adapter import build_module, load_module, load_weights, user_model
    from .user_module.signature_file import read_declaration

    declaration = read_declaration(signature)
    if isinstance(made_by, nn.Module):
        module, family = made_by, _qualified(type(made_by))
    elif isinstance(made_by, str):
        module, family = load_module(made_by), _module_name(made_by) + made_by[made_by.rindex(":") :]
    else:
        family = _qualified(made_by)
        module = build_module(made_by, family)
    digest = load_weights(module, weights)
    pipeline = Pipeline.of(user_model(module, declaration, input))
    return Source(pipeline, family, None, declaration.licence, digest, settled=False)


def bundle_name(
    source: str,
    input: str | None,
    *,
    foreign: bool,
    fixed: Mapping[str, int] | None = None,
    size: FreeOrSize | None = None,
) -> str:
    """What a bundle of `source` is called by default: after the run or the module, and what its graph is fed."""
    name = _module_name(source).rpartition(".")[2] if foreign else Path(source).name
    parts = [
        name,
        *([input] if input else []),
        *([size_words(size)] if size else []),
        *(f"{field}-{value}" for field, value in (fixed or {}).items()),
    ]
    return "-".join(parts)


def _module_name(reference: str) -> str:
    """Name of the module in "package.module:name" or "folder/file.py:name"."""
    module = reference.rpartition(":")[0]
    return Path(module).stem if module.endswith(".py") else module


def size_words(size: FreeOrSize) -> str:
    """As it is written on a command line: "free", or height x width."""
    return "x".join(map(str, size)) if isinstance(size, tuple) else size


def _qualified(made_by: Any) -> str:
    return f"{made_by.__module__}:{getattr(made_by, '__qualname__', type(made_by).__qualname__)}"
