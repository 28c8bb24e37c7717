"""The convention for names of ONNX nodes: the module that a node comes from, a slash, and its operation."""

from __future__ import annotations

__all__ = ["module_of", "node_name", "top_module_of"]


def node_name(module: str, operation: str) -> str:
    """Name of a node, for example "generator.layers.0/Conv_3"; the module is "" outside all modules."""
    return f"{module}/{operation}"


def module_of(name: str) -> str:
    """Dotted path of the innermost module that a node comes from."""
    return name.partition("/")[0]


def top_module_of(name: str) -> str:
    """First part of `module_of`: the part of a `PixelModel` that a node comes from, such as "noise" or "pixels"."""
    return module_of(name).partition(".")[0]
