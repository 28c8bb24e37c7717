"""Precisions: what a graph's layers compute in, each in a file of its own, with the limits that its pictures keep.

This module is light: onnx and the rest are imported when a graph is lowered.
"""

from __future__ import annotations

from importlib import import_module

from ...errors import UnknownName
from .base import Inputs, Lowering, Precision, elements, layers

__all__ = ["PRECISIONS", "Inputs", "Lowering", "Precision", "elements", "layers", "precision"]

PRECISIONS = ("fp32", "fp16", "bf16", "int8", "fp8")
"""Every precision, the strictest gate first."""


def precision(name: str) -> Precision:
    """The precision called `name`.

    Raises:
        UnknownName: there is none.
    """
    if name not in PRECISIONS:
        raise UnknownName("precision", name, PRECISIONS)
    return import_module(f".{name}", __package__).PRECISION
