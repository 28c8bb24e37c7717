"""Presets: one line per experiment; keys given on the command line win.

A preset has two budgets. Its line in `PRESETS` is the full budget, for a GPU; its line in `CPU` holds the keys that differ
at the budget that two slow cores train within 40 minutes. A preset without a line in `CPU` has one budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UnknownName
from .recipe import BUDGETS, Budget, Recipe, override

__all__ = ["CPU", "PRESETS", "resolve"]

LOGISTIC = {"loss": "non-saturating", "r1_gamma": 1.0, "penalty_every": 4}
"""The classic loss with the gradient penalty; the hinge loss covers fewer of the digits in the same budget."""

PAIRWISE = {"loss": "relativistic", "r1_gamma": 0.2, "r2_gamma": 0.2, "spectral_norm": False}
"""Huang et al. (2024): avoids the mode collapse of the classic loss on larger sets, one picture per class."""

ON_GPU = {
    "precision": "bf16",
    "ema_half_life_nimg": 500_000,
    "stats_nimg": 50_000,
    "sample_nimg": 1_000_000,
    "checkpoint_nimg": 1_000_000,
}
ON_CPU = {
    "precision": "bf16",  # 1.4 to 1.6 times as fast as FP32 on CPUs that support it; else use fp32
    "ema_half_life_nimg": 20_000,
    "stats_nimg": 5_000,
    "sample_nimg": 50_000,
    "checkpoint_nimg": 50_000,
}

# Comments give the quality in `snapshot.json` (`training.metrics.pixels`) after 230 seconds on one Zen 5 core at FP32.
# fmt: off
# ruff: noqa: E501 - one line per experiment
PRESETS: dict[str, dict[str, Any]] = {
    "cgan-digits":  dict(family="cgan",  data="digits", nimg=54_000, width=112, ema_half_life_nimg=4_000, **LOGISTIC),  # agreement 0.981, diversity 0.88
    "dcgan-digits": dict(family="dcgan", data="digits", nimg=54_000, width=112, ema_half_life_nimg=4_000, **LOGISTIC),  # diversity 0.98

    "gan-mnist":     dict(family="gan",   data="mnist",         batch=256, nimg=20_000_000, width=1024, discriminator_width=1024, lr=5e-4, discriminator_lr=5e-4, **ON_GPU),
    "dcgan-fashion": dict(family="dcgan", data="fashion_mnist", batch=128, nimg=20_000_000, resolution=32, width=96, discriminator_width=96, lr=5e-4, discriminator_lr=5e-4, decay_nimg=5_000_000, **PAIRWISE, **ON_GPU),
    "dcgan64-emoji": dict(family="dcgan", data="emoji",         batch=64, nimg=10_000_000, latent_size=100, width=64, discriminator_width=64, lr=2e-4, discriminator_lr=2e-4, translate=8, augment="colour,cutout", augment_target=0.6, decay_nimg=2_000_000, **PAIRWISE, **ON_GPU),
    "cgan-mnist":    dict(family="cgan",  data="mnist",         batch=128, nimg=20_000_000, width=96, discriminator_width=96, lr=5e-4, discriminator_lr=5e-4, decay_nimg=5_000_000, **PAIRWISE, **ON_GPU),
    "cgan-fashion":  dict(family="cgan",  data="fashion_mnist", batch=128, nimg=20_000_000, width=96, discriminator_width=96, lr=5e-4, discriminator_lr=5e-4, decay_nimg=5_000_000, **PAIRWISE, **ON_GPU),
    "vae-mnist":     dict(family="vae",   data="mnist",         batch=256, nimg=12_000_000, width=64, blocks=3, decay_nimg=6_000_000, **ON_GPU),
    "vae-emoji":     dict(family="vae",   data="emoji",         batch=128, nimg=3_000_000, width=64, blocks=2, likelihood="gaussian", latent_size=128, decay_nimg=1_000_000, **ON_GPU),
    "r3gan-stacked": dict(family="r3gan", data="stacked-mnist", batch=256, nimg=20_000_000, resolution=32, width=64, discriminator_width=64, most_channels=512, decay_nimg=10_000_000, **ON_GPU),
    "superres-emoji": dict(family="superres", data="emoji",         batch=64, nimg=3_000_000, width=128, blocks=16, lr=5e-4, decay_nimg=1_500_000, **ON_GPU),
    "pix2pix-restyle": dict(family="pix2pix", data="emoji_restyle", batch=32, nimg=1_000_000, width=48, blocks=2, lr=5e-4, decay_nimg=500_000, **ON_GPU),
    "cyclegan-restyle": dict(family="cyclegan", data="emoji_restyle", batch=16, nimg=1_000_000, width=48, blocks=9, discriminator_width=64, decay_nimg=500_000, **ON_GPU),
    "inpaint-fashion": dict(family="inpaint", data="fashion_mnist", batch=128, nimg=12_000_000, width=64, blocks=4, lr=5e-4, decay_nimg=6_000_000, **ON_GPU),
    "flow-shapes":   dict(family="flow", data="shapes", batch=256, nimg=20_000_000, width=256, depth=8, vocabulary=384, lr_rise_nimg=50_000, decay_nimg=8_000_000, clip_norm=1.0, **ON_GPU),
    "flow-emoji":    dict(family="flow", data="emoji",  batch=256, nimg=10_000_000, width=384, depth=12, text_depth=2, vocabulary=2048, lr=1e-3, matrix_lr=0.01, lr_rise_nimg=50_000, decay_nimg=4_000_000, clip_norm=1.0, **ON_GPU),
}
"""Name -> keys of the family's recipe at the full budget."""

CPU: dict[str, dict[str, Any]] = {
    "gan-mnist":     dict(batch=128, nimg=800_000, width=512, discriminator_width=512, decay_nimg=200_000, **ON_CPU),
    "dcgan-fashion": dict(batch=64, nimg=300_000, width=48, discriminator_width=32, lr=1e-3, discriminator_lr=1e-3, decay_nimg=100_000, **ON_CPU),
    "dcgan64-emoji": dict(batch=32, nimg=150_000, discriminator_width=32, lr=5e-4, discriminator_lr=5e-4, augment="", augment_target=0.0, decay_nimg=30_000, **ON_CPU),
    "cgan-mnist":    dict(batch=64, nimg=1_000_000, width=48, discriminator_width=32, lr=1e-3, discriminator_lr=1e-3, decay_nimg=250_000, **ON_CPU),
    "cgan-fashion":  dict(batch=64, nimg=600_000, width=48, discriminator_width=32, lr=1e-3, discriminator_lr=1e-3, decay_nimg=150_000, **ON_CPU),
    "vae-mnist":     dict(batch=128, nimg=1_200_000, width=32, blocks=1, decay_nimg=300_000, **ON_CPU),
    "vae-emoji":     dict(batch=64, nimg=150_000, width=32, blocks=1, decay_nimg=50_000, **ON_CPU),
    "r3gan-stacked": dict(batch=16, nimg=480_000, width=64, discriminator_width=32, most_channels=256, blocks=1, patch=2, channels_last=True, lr=2e-3, discriminator_lr=1e-3, r1_gamma=3.0, r2_gamma=3.0, gamma_end=0.2, penalty_every=4, decay_nimg=300_000, **ON_CPU),
    "superres-emoji": dict(batch=16, nimg=40_000, width=64, blocks=8, lr=1e-3, decay_nimg=20_000, **ON_CPU),
    "inpaint-fashion": dict(batch=32, nimg=100_000, width=32, lr=1e-3, decay_nimg=50_000, **ON_CPU),
    "pix2pix-restyle": dict(batch=16, nimg=60_000, width=16, lr=1e-3, decay_nimg=30_000, **ON_CPU),
    "cyclegan-restyle": dict(batch=4, nimg=24_000, width=16, blocks=2, lr=5e-4, discriminator_lr=1e-3, decay_nimg=12_000, **ON_CPU),
    "flow-shapes":   dict(batch=64, nimg=480_000, width=128, depth=6, lr_rise_nimg=5_000, decay_nimg=240_000, **{**ON_CPU, "ema_half_life_nimg": 10_000}),
    "flow-emoji":    dict(batch=64, nimg=250_000, width=192, depth=6, text_depth=1, patch=8, lr_rise_nimg=5_000, decay_nimg=125_000, **ON_CPU),
}
"""Name -> keys of the recipe that differ at the budget "cpu"."""
# fmt: on


def resolve(
    preset: str,
    *,
    budget: Budget = "gpu",
    data: str | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Recipe:
    """The full recipe of a preset.

    Args:
        preset: a name in `PRESETS`, or a family, which is a preset of its defaults: it needs `data` and the key nimg.
        budget: one of `recipe.BUDGETS`.
        data: training data, instead of the preset's.
        overrides: recipe key -> value as text.

    Raises:
        UnknownName: the preset, the budget or a key is unknown.
        UsageError: a value is missing or not allowed.
    """
    from .models import family, family_names  # they import torch, which the names of the presets do not need

    if preset not in PRESETS and preset not in family_names():
        raise UnknownName("preset", preset, PRESETS, else_=f"a family: {', '.join(family_names())}")
    if budget not in BUDGETS:
        raise UnknownName("budget", budget, BUDGETS)
    smaller = CPU.get(preset, {}) if budget == "cpu" else {}
    values = {"preset": preset, "budget": budget, **PRESETS.get(preset, {"family": preset}), **smaller}
    given = {**({"data": data} if data is not None else {}), **(overrides or {})}
    return override(family(values["family"]).recipe, values, given)
