"""Names that options take, from the registries: for help and for shell completion, where a person waits.

Whatever a function needs is imported inside it, and none of it imports a runtime.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..plugins import plugin_names

__all__ = ["complete", "fill_in", "models_of", "variants_of"]


def _presets() -> Iterable[str]:
    from ..training.presets import PRESETS

    return PRESETS


def _precisions() -> Iterable[str]:
    from ..export.precisions import precision_names

    return precision_names()


def _runtimes() -> Iterable[str]:
    from ..runners.base import runtime_names

    return runtime_names()


def _engine_runtimes() -> Iterable[str]:
    from ..runners.base import engine_libraries

    return engine_libraries()


def _targets() -> Iterable[str]:
    from ..export.engines import TARGETS

    return TARGETS


def _scenarios() -> Iterable[str]:
    from ..benchmarks.load.scenarios import scenario_names

    return scenario_names()


_NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "presets": _presets,
    "families": lambda: plugin_names("litho.training.models"),
    "presets_and_families": lambda: (*_presets(), *plugin_names("litho.training.models")),
    "precisions": _precisions,
    "runtimes": _runtimes,
    "engine_runtimes": _engine_runtimes,
    "targets": _targets,
    "passes": lambda: plugin_names("litho.export.passes"),
    "scenarios": _scenarios,
}


def fill_in(text: str) -> str:
    """A help text with the known names in place of "{precisions}" and the like."""
    return re.sub(r"\{(\w+)\}", lambda match: ", ".join(_NAMES[match[1]]()), text)


def complete(kind: str) -> Callable[[str], list[str]]:
    """The completion of an option that takes names of a kind: of the last one, where commas separate several."""
    return lambda incomplete: _last(incomplete, _NAMES[kind]())


def variants_of(ctx: Any, incomplete: str) -> list[str]:
    """Variants of the bundle on the command line."""
    # Behind an option without its value, which is what is completed, arguments stay unread in `args`.
    given = (ctx.params.get("bundle"), ctx.params.get("target"), *ctx.args)
    bundle = next((Path(path) for path in given if path), Path())
    try:
        manifest = json.loads((bundle / "manifest.json").read_text())
        return _last(incomplete, [variant["name"] for variant in manifest["variants"]])
    except (OSError, ValueError, LookupError, TypeError):
        return []


def models_of(ctx: Any, incomplete: str) -> list[str]:
    """Models of the repository on the command line."""
    configurations = Path(ctx.params.get("repository") or ".").glob("*/config.pbtxt")
    return _last(incomplete, sorted(configuration.parent.name for configuration in configurations))


def _last(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(last) and name not in given]
