"""Imports of optional dependencies, which name the extra to install when one is absent."""

from importlib import import_module
from types import ModuleType

from .errors import MissingExtra

__all__ = ["require"]


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or raise `MissingExtra` that says which extra of litho brings it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A module that is there but lacks one of its own needs is a broken installation, not a missing extra.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise MissingExtra(module.partition(".")[0], extra) from error
