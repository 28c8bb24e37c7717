"""Registries: a family, source, pass, precision, runner, scenario or evaluation part is one module of its folder.

Being in the folder registers it, and the module declares everything that the rest of litho needs to know about it.
Helpers are called `base` or start with an underscore. A package may span several folders (`__path__`): plug-ins may
also lie outside litho.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType

from .errors import UnknownName

__all__ = ["load_plugin", "load_plugins", "plugin_names"]


def plugin_names(package: str) -> tuple[str, ...]:
    """Names of a package's plug-ins in alphabetical order; neither they nor the package are imported.

    Args:
        package: full name, for example "litho.runners".
    """
    loaded = sys.modules.get(package)
    spec = find_spec(package) if loaded is None else None
    path = loaded.__path__ if loaded is not None else spec and spec.submodule_search_locations
    names = (module.name for module in iter_modules(path))
    return tuple(sorted(name for name in names if name != "base" and not name.startswith("_")))


def load_plugin(package: str, name: str, kind: str) -> ModuleType:
    """Import a plug-in.

    Args:
        package: full name of its package.
        name: name of the plug-in; "-" and "_" are equal.
        kind: what it is, for the message: "runner", "family".

    Raises:
        UnknownName: the package has no such plug-in.
    """
    module, known = name.replace("-", "_"), plugin_names(package)
    if module not in known:
        raise UnknownName(kind, name, [one.replace("_", "-") for one in known])
    return import_module(f"{package}.{module}")


def load_plugins(package: str) -> dict[str, ModuleType]:
    """Import all plug-ins of a package: name -> module, in alphabetical order."""
    return {name: import_module(f"{package}.{name}") for name in plugin_names(package)}
