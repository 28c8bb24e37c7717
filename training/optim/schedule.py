"""The learning rate schedule, a function of the images seen."""

from __future__ import annotations

from math import cos, pi

from ..recipe import Recipe

__all__ = ["learning_rate_factor"]


def learning_rate_factor(nimg: int, recipe: Recipe) -> float:
    """Factor of the learning rates, 0 to 1, for the step that begins at `nimg` images.

    It rises linearly over the first `lr_rise_nimg` images (Goyal et al. 2017, section 2.2), stays at 1, and falls over
    the last `decay_nimg`, linearly or as half a cosine (Loshchilov and Hutter 2017, eq. 5, without restarts).
    """
    rise = (nimg + recipe.batch) / recipe.lr_rise_nimg if recipe.lr_rise_nimg else 1.0
    left = (recipe.steps * recipe.batch - nimg) / recipe.decay_nimg if recipe.decay_nimg else 1.0
    fall = min(1.0, left)
    if recipe.lr_decay == "cosine":
        fall = (1 - cos(pi * fall)) / 2
    return min(1.0, rise) * fall
