"""Every published experiment, one line each; what the command line says wins over the line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UnknownName
from .models import family
from .recipe import Recipe, override

__all__ = ["PRESETS", "resolve"]

LOGISTIC = {"loss": "non-saturating", "r1_gamma": 1.0, "penalty_every": 4}
"""The classic loss with the gradient penalty: hinge covers fewer of the digits with the same budget."""

# Behind each line, what `snapshot.json` says after it: 230 seconds of one Zen 5 core at FP32. `training.evaluate`
# defines the figures.
# fmt: off
# ruff: noqa: E501 - a line an experiment
PRESETS: dict[str, dict[str, Any]] = {
    "cgan-digits":  dict(family="cgan",  data="digits", nimg=54_000, width=112, ema_half_life_nimg=4_000, **LOGISTIC),  # agreement 0.981, diversity 0.88
    "dcgan-digits": dict(family="dcgan", data="digits", nimg=54_000, width=112, ema_half_life_nimg=4_000, **LOGISTIC),  # diversity 0.98
}
# fmt: on
"""Name -> keys of the family's recipe."""


def resolve(preset: str, *, data: str | None = None, overrides: Mapping[str, str] | None = None) -> Recipe:
    """The full recipe of a preset.

    Args:
        preset: name of a line of `PRESETS`.
        data: what to train on, in place of the preset's.
        overrides: recipe key -> value as text.

    Raises:
        UnknownName: the preset or a key is unknown.
        UsageError: a value is not allowed.
    """
    if preset not in PRESETS:
        raise UnknownName("preset", preset, PRESETS)
    values = {"preset": preset, **PRESETS[preset]}
    given = {**({"data": data} if data is not None else {}), **(overrides or {})}
    return override(family(values["family"]).recipe, values, given)
