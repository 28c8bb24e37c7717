"""Weights that a module computes in every call: spectral norm, weight norm, and whatever else torch parametrizes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ..extras import require

if TYPE_CHECKING:
    from torch import nn

__all__ = ["without_parametrizations"]


def without_parametrizations(module: nn.Module) -> nn.Module:
    """The module with plain weights in place of computed ones, which are the same in every call in eval mode.

    The module itself does not change.

    Args:
        module: in eval mode.

    Returns:
        A copy, or `module` itself if it computes no weights or cannot be copied: the graph then computes them, and the
        pass `constants` stores them.
    """
    torch = require("torch", "export")
    if not any(_computed(part) for part in module.modules()):
        return module
    try:
        plain = copy.deepcopy(module, _copied_results(module))
    except Exception:
        return module
    for part in list(plain.modules()):
        if names := _computed(part):
            with torch.no_grad():
                _store(part, names)
    return plain


def _computed(part: nn.Module) -> list[str]:
    """Names of the weights of a module that torch computes in every call."""
    from torch.nn.utils import parametrize

    parametrized = getattr(part, "parametrizations", {}) if parametrize.is_parametrized(part) else {}
    return [*parametrized, *(hook.name for hook in _hooks(part).values())]


def _hooks(part: nn.Module) -> dict[int, Any]:
    """The hooks of spectral norm and weight norm in their old form."""
    from torch.nn.utils.spectral_norm import SpectralNorm
    from torch.nn.utils.weight_norm import WeightNorm

    hooks = part._forward_pre_hooks.items()
    return {key: hook for key, hook in hooks if isinstance(hook, SpectralNorm | WeightNorm)}


def _store(part: nn.Module, names: list[str]) -> None:
    """Replace the computed weights of a module by their values.

    torch's own `remove_parametrizations` takes the attributes from the class, which a copy shares with its original.
    """
    import torch
    from torch.nn.utils import parametrize

    hooks = _hooks(part)
    for hook in hooks.values():
        hook(part, None)  # sets the weight, as before every call
    values = {name: getattr(part, name).detach().clone() for name in names}
    if parametrize.is_parametrized(part):
        part.__class__ = type(part).__bases__[0]
        del part.parametrizations
    for key, hook in hooks.items():
        del part._forward_pre_hooks[key]
        for suffix in ("_orig", "_u", "_v", "_g"):
            part._parameters.pop(f"{hook.name}{suffix}", None)
            part._buffers.pop(f"{hook.name}{suffix}", None)
    for name, value in values.items():
        vars(part).pop(name, None)
        part.register_parameter(name, torch.nn.Parameter(value, requires_grad=False))


def _copied_results(module: nn.Module) -> dict[int, Any]:
    """Results of earlier calls that modules hold as attributes, which torch does not copy if they have gradients."""
    import torch

    return {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, torch.Tensor)
    }
