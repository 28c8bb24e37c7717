"""Imports of optional dependencies; a missing one is reported with the extra that installs it."""

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
    "onnx_ir": "export",
    "yaml": "export",
    "onnxruntime": "cpu",
    "cryptography": "sign",
    "jinja2": "bench",
    "matplotlib": "export",
    "vl_convert": "bench",
    "psutil": "bench",
    "optuna": "tune",
    "fsspec": "storage",
    "s3fs": "storage",
    "ray": "ray",
    "oras": "registry",
}
"""Top-level module -> extra that installs it, for modules that are imported with a plain `import`."""


def require(module: str, extra: str) -> ModuleType:
    """Import and return `module`.

    Raises:
        MissingExtra: it is not installed; the message names `extra`.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A module that is installed but lacks a dependency of its own is a broken installation, not a missing extra.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise MissingExtra(module.partition(".")[0], extra) from error


def missing(error: ModuleNotFoundError) -> MissingExtra | None:
    """The error for a failed import; None if no extra installs the missing module."""
    package = (error.name or "").partition(".")[0]
    return MissingExtra(package, _EXTRAS[package]) if package in _EXTRAS else None
