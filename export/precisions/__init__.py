"""Precisions: what a graph's layers compute in, one a file, with the limits that its pictures keep.

A precision is one module of this folder that holds a `Precision` as `PRECISION`. The folder imports neither torch nor
onnx until a graph is lowered: `parity` reads the limits where neither is installed.
"""

from __future__ import annotations

from ...plugins import load_plugin, load_plugins
from .base import Inputs, Lowering, Precision, layers

__all__ = ["Inputs", "Lowering", "Precision", "layers", "precision", "precision_names"]


def precision_names() -> tuple[str, ...]:
    """Names of all precisions, the strictest gate first."""
    found: list[Precision] = [module.PRECISION for module in load_plugins(__name__).values()]
    return tuple(one.name for one in sorted(found, key=lambda one: (one.rank, one.name)))


def precision(name: str) -> Precision:
    """The precision called `name`.

    Raises:
        UnknownName: there is no such precision.
    """
    return load_plugin(__name__, name, "precision").PRECISION
