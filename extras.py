"""Imports of optional dependencies, which name the extra to install when one is absent."""

from importlib import import_module
from types import ModuleType

from .errors import MissingExtra

__all__ = ["missing", "require"]

_EXTRAS = {
    "torch": "train",
    "sklearn": "train",
    "pyarrow": "train",
    "huggingface_hub": "train",
    "tokenizers": "text",
    "onnx": "export",
    "onnxscript": "export",
    "yaml": "export",
    "onnxruntime": "cpu",
    "openvino": "openvino",
    "tensorrt_rtx": "rtx",
    "jinja2": "bench",
    "matplotlib": "bench",
    "psutil": "bench",
}
"""Top-level module -> extra that brings it, for stages that import it plainly."""


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or raise `MissingExtra` that says which extra of litho brings it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A module that is there but lacks one of its own needs is a broken installation, not a missing extra.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise MissingExtra(module.partition(".")[0], extra) from error


def missing(error: ModuleNotFoundError) -> MissingExtra | None:
    """What to say of a stage that could not be imported; None where no extra brings what it lacks."""
    package = (error.name or "").partition(".")[0]
    return MissingExtra(package, _EXTRAS[package]) if package in _EXTRAS else None
