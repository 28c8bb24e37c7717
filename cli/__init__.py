"""The `litho` command: one file per stage, one function per verb, no logic of its own.

A verb registers itself by its decorator. Every stage is imported inside its verb, so that `litho --help` starts at
once. Results go to standard output, progress and errors to standard error.
Exit code 0: done; 1: tried and failed; 2: bad usage.
"""

from importlib import import_module
from pkgutil import iter_modules

from .base import app, main

__all__ = ["app", "main"]

for _stage in (
    "demo",
    "training",
    "export",
    "bundle",
    "registry",
    "deploying",
    "serving",
    "gateway",
    "manifest",
    "keys",
    "generate",
    "provenance",
    "bench",
):
    import_module(f".{_stage}", __name__)  # in this order `litho --help` lists their verbs
for _module in iter_modules(__path__):
    if _module.name.startswith("bench_"):
        import_module(f".{_module.name}", __name__)  # one verb of `litho bench` each
