"""Plug-ins: a family, source, pass, precision, runner, scenario or part of an evaluation is one module of its folder.

Being there registers it. A module that is called `base` or starts with an underscore is a helper, not a plug-in.
A package may span several folders (`__path__`), so that a plug-in may also lie outside litho.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from .errors import UnknownName

__all__ = ["load_plugin", "load_plugins", "plugin_names"]


def plugin_names(package: str) -> tuple[str, ...]:
    """Names of a package's plug-ins in alphabetical order; none of them is imported.

    Args:
        package: full name, for example "litho.runners".
    """
    modules = iter_modules(import_module(package).__path__)
    return tuple(sorted(one.name for one in modules if one.name != "base" and not one.name.startswith("_")))


def load_plugin(package: str, name: str, kind: str) -> ModuleType:
    """Import the plug-in called `name`; "-" and "_" in it are the same.

    Args:
        package: full name of the package that it belongs to.
        name: of the plug-in.
        kind: what it is, for the message: "runner", "family".

    Raises:
        UnknownName: the package has no such plug-in.
    """
    module, known = name.replace("-", "_"), plugin_names(package)
    if module not in known:
        raise UnknownName(kind, name, [one.replace("_", "-") for one in known])
    return import_module(f"{package}.{module}")


def load_plugins(package: str) -> dict[str, ModuleType]:
    """Name -> module of every plug-in of a package, in alphabetical order."""
    return {name: import_module(f"{package}.{name}") for name in plugin_names(package)}
