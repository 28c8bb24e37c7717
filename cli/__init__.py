"""The `litho` command: one verb per stage, no logic of its own.

A verb is a function in the file of its stage; being decorated there registers it. Every stage is imported inside its
verb, so that `litho --help` starts at once. Results go to standard output, progress and errors to standard error.
Exit code 0: done; 1: tried and failed; 2: cannot be asked for.
"""

from importlib import import_module

from .base import app, main

__all__ = ["app", "main"]

for _stage in ("training", "export", "bundle", "serving", "generate", "benchmarks", "demo"):
    import_module(f".{_stage}", __name__)  # in this order `litho --help` lists their verbs
