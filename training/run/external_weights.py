"""A generator's weights from checkpoints of other programs, which are read as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor

from ...errors import CheckpointError

__all__ = ["read_external_weights"]

WEIGHTS_KEYS = (
    *("generator_ema", "g_ema", "params_ema", "model_ema", "ema_state_dict", "ema", "shadow"),
    *("generator", "netG", "G", "params", "state_dict", "model_state_dict", "model"),
)
"""Keys of the generator's weights in larger checkpoints, averaged weights first."""

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""Parts of names that wrappers add: DistributedDataParallel, torch.compile, FSDP, activation checkpoints."""

_COUNT = "n_averaged"
"""What `torch.optim.swa_utils.AveragedModel` keeps beside the weights."""
_POINTER = b"version https://git-lfs.github.com"
_MOST_KEYS = 12
"""Keys of a mapping that a message lists."""


def read_external_weights(path: Path | str, known: Collection[str] = ()) -> dict[str, Tensor]:
    """Read a generator's weights from a file of another program.

    A larger checkpoint is searched for the generator's weights: under `WEIGHTS_KEYS`, and behind a prefix that all of
    them have, such as "generator.". What wrappers add to names (`WRAPPERS`) is removed. No code in the file is run.

    Args:
        path: a `.safetensors` file, or one that `torch.save` wrote.
        known: the names that the generator's weights have.

    Raises:
        CheckpointError: the file is missing or truncated, needs code to be loaded, has no weights, or has the
            generator's behind several prefixes.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened:
            pointer = opened.read(len(_POINTER)) == _POINTER
        if not pointer and file.suffix == ".safetensors":
            return _named(load(file.read_bytes()), file, known)
        content = None if pointer else torch.load(file, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # torch, pickle and zip raise many kinds for a damaged file
        raise CheckpointError(
            f"{file} is not a file of plain weights ({_first_sentence(error)});"
            " save it with torch.save(model.state_dict(), PATH)"
        ) from None
    if pointer:
        raise CheckpointError(
            f"{file} is a pointer of Git LFS and not the file itself; fetch it: git lfs pull"
        )
    return _named(_found(content, file), file, known)


def _found(content: Any, file: Path) -> Mapping[Any, Tensor]:
    """The mapping of names to tensors in a checkpoint."""
    if isinstance(content, Mapping):
        others = [name for name, value in content.items() if not isinstance(value, Tensor)]
        if content and not others:
            return content
        for key in WEIGHTS_KEYS:
            if isinstance(content.get(key), Mapping):
                return _found(content[key], file)
        if len(others) < len(content):
            held = f"{others[0]!r}, which is a {type(content[others[0]]).__name__},"
            raise CheckpointError(
                f"{file} contains {held} among weights; save these alone: torch.save(model.state_dict(), PATH)"
            )
        more = ", ..." if len(others) > _MOST_KEYS else ""
        held = f"a mapping with the keys {', '.join(map(str, others[:_MOST_KEYS])) or 'none'}{more}"
    else:
        held = f"a {type(content).__name__}"
    raise CheckpointError(
        f"{file} contains {held} instead of weights; expected a mapping of names to tensors, alone or under"
        f" {', '.join(WEIGHTS_KEYS)}"
    )


def _named(weights: Mapping[Any, Tensor], file: Path, known: Collection[str]) -> dict[str, Tensor]:
    """The weights with the names that the generator gives them, where these are found."""
    given = {str(name): value for name, value in weights.items()}
    if known and all(name in given for name in known):
        return given
    given = {name: value for name, value in given.items() if name != _COUNT}
    bare = {_bare(name): value for name, value in given.items()}
    wanted = {_bare(name): name for name in known}
    if len(bare) < len(given) or len(wanted) < len(known):  # a part of the module itself has a wrapper's name
        bare, wanted = given, {name: name for name in known}
    prefixes = _prefixes(bare, wanted)
    if "" not in prefixes and len(prefixes) > 1:
        averaged = [prefix for prefix in prefixes if "ema" in prefix.lower()]
        if len(averaged) != 1:
            raise CheckpointError(
                f"{file} has these weights behind several prefixes: {', '.join(map(repr, prefixes))}; save those that"
                " are wanted alone"
            )
        prefixes = averaged
    if "" not in prefixes and prefixes:
        (prefix,) = prefixes
        bare = {name.removeprefix(prefix): value for name, value in bare.items() if name.startswith(prefix)}
    return {wanted.get(name, name): value for name, value in bare.items()}


def _prefixes(given: Collection[str], wanted: Collection[str]) -> list[str]:
    """The prefixes with which all wanted names are given."""
    first = next(iter(wanted), None)
    if first is None:
        return []
    possible = [name.removesuffix(first) for name in given if name.endswith(first)]
    return [
        prefix
        for prefix in possible
        if (not prefix or prefix.endswith(".")) and all(prefix + name in given for name in wanted)
    ]


def _bare(name: str) -> str:
    """A name without what wrappers add to it."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _first_sentence(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0].split(". ")[0][:160] if lines else type(error).__name__
