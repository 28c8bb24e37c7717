"""Names that options take, from the registries: for help and for shell completion, where a person waits.

Whatever a function needs is imported inside it, and none of it imports a runtime.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from ..plugins import plugin_names

__all__ = ["complete", "fill_in", "models_of", "name_option", "variants_of"]


def _of(module: str, attribute: str) -> Callable[[], Iterable[str]]:
    """Names that a module of litho holds or returns, read when they are needed."""

    def read() -> Iterable[str]:
        found: Any = getattr(import_module(f"litho.{module}"), attribute)
        return found if isinstance(found, Iterable) else found()

    return read


_presets = _of("training.presets", "PRESETS")


_NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "presets": _presets,
    "families": lambda: plugin_names("litho.training.models"),
    "presets_and_families": lambda: (*_presets(), *plugin_names("litho.training.models")),
    "precisions": _of("export.precisions", "precision_names"),
    "runtimes": _of("runners.base", "runtime_names"),
    "engine_runtimes": _of("runners.base", "engine_libraries"),
    "targets": _of("export.engines", "TARGETS"),
    "passes": lambda: plugin_names("litho.export.passes"),
    "quantizers": lambda: plugin_names("litho.export.precisions._quantizers"),
    "flavours": _of("serving.configuration.flavours", "flavour_names"),
    "flavour_summaries": _of("serving.configuration.flavours", "flavour_summaries"),
    "scenarios": _of("benchmarks.load.scenarios", "scenario_names"),
}


def fill_in(text: str) -> str:
    """A help text with the known names in place of "{precisions}" and the like."""
    return re.sub(r"\{(\w+)\}", lambda match: ", ".join(_NAMES[match[1]]()), text)


def name_option(kind: str, help: str) -> Any:
    """An option that takes names of a kind, and completes the last one where commas separate several.

    Args:
        kind: of the names, such as "precisions".
        help: text; "{precisions}" in it becomes the known names.
    """
    return typer.Option(help=help, autocompletion=complete(kind))


def complete(kind: str) -> Callable[[str], list[str]]:
    """The completion of a word that takes names of a kind."""
    return lambda incomplete: _last(incomplete, _NAMES[kind]())


def variants_of(ctx: Any, incomplete: str) -> list[str]:
    """Variants of the bundle on the command line."""
    # Behind an option without its value, which is what is completed, arguments stay unread in `args`.
    given = (ctx.params.get("bundle"), ctx.params.get("target"), *ctx.args)
    bundle = next((Path(path) for path in given if path), Path())
    try:
        manifest = json.loads((bundle / "manifest.json").read_text())
        return _last(incomplete, [variant["name"] for variant in manifest["variants"]])
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return []


def models_of(ctx: Any, incomplete: str) -> list[str]:
    """Models of the repository on the command line."""
    configurations = Path(ctx.params.get("repository") or ".").glob("*/config.pbtxt")
    return _last(incomplete, sorted(configuration.parent.name for configuration in configurations))


def _last(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(last) and name not in given]
