"""Signs of a failed training: each stops the run with what was seen, when, and what to try.

GANs have single bad steps: except for numbers that are not finite, a sign must last without a break for the number of
images in the recipe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from ...errors import TrainingError
from ..recipe import Recipe
from .sharding import all_finite

__all__ = ["Alarms"]

SATURATION = {"real_logit", "fake_logit", "generator_gradient", "discriminator_gradient"}
"""Statistics that show a saturated discriminator."""

LEAST_SCALE = 2.0**-10
"""Smallest scale of an FP16 loss; gradients that overflow at it have diverged."""


class Alarms:
    """Watches one training.

    Args:
        recipe: with the limits.
        since: current signs -> images seen when they appeared.
    """

    def __init__(self, recipe: Recipe, since: Mapping[str, int] | None = None) -> None:
        self._recipe = recipe
        self.since = dict(since or {})

    def check_step(self, statistics: Mapping[str, float], nimg: int) -> None:
        """Check the statistics of a step for numbers that are not finite and for a saturated discriminator.

        The discriminator is saturated if its mean logits of real and generated images differ by more than
        `saturation_gap` while the gradient norm of a network is below `saturation_gradient`: one of the networks can
        no longer learn from the other (Arjovsky and Bottou 2017, section 2). Families without the statistics in
        `SATURATION` are not checked for this.

        Args:
            statistics: name -> value.
            nimg: images seen.

        Raises:
            TrainingError: a sign was seen.
        """
        for name, number in statistics.items():
            if not math.isfinite(number):
                raise TrainingError(
                    f"training diverged at nimg {nimg}: {name} became {number}; try a lower learning rate"
                    " (--set lr=...)"
                )
        self._check_saturation(statistics, nimg)

    def _check_saturation(self, statistics: Mapping[str, float], nimg: int) -> None:
        most, least = self._recipe.saturation_gap, self._recipe.saturation_gradient
        if not most or not statistics.keys() >= SATURATION:
            return
        gap = statistics["real_logit"] - statistics["fake_logit"]
        gradient, network = min(
            (statistics[f"{network}_gradient"], network) for network in ("generator", "discriminator")
        )
        if self._lasts("saturation", gap > most and gradient < least, nimg):
            raise TrainingError(
                f"the discriminator is saturated at nimg {nimg}: for {self._recipe.alarm_nimg} images the logits of"
                f" real and generated images differed by more than {most:g} (now {gap:.3g}) while a gradient was below"
                f" {least:g} (now the {network}'s: {gradient:.2g}); try lower learning rates, a larger r1_gamma or"
                " augmentation (saturation_gap=0 disables this alarm)"
            )

    def check_weights(self, task: nn.Module, nimg: int) -> None:
        """Check that all weights are finite.

        Raises:
            TrainingError: a weight is not finite.
        """
        for name, value in task.state_dict().items():
            if value.is_floating_point() and not all_finite(value):
                raise TrainingError(
                    f"training diverged at nimg {nimg}: weight {name} is not finite; try a lower learning rate"
                    " (--set lr=...)"
                )

    def check_scale(self, name: str, scale: float, nimg: int) -> None:
        """Check the scale of an FP16 loss.

        Raises:
            TrainingError: the scale is below `LEAST_SCALE`.
        """
        if scale < LEAST_SCALE:
            raise TrainingError(
                f"training diverged at nimg {nimg}: the gradient of {name} overflows FP16 at any scale; try"
                " precision=bf16 or a lower learning rate (--set lr=...)"
            )

    def check_diversity(self, diversity: float, nimg: int) -> None:
        """Check the diversity of samples (`metrics.pixels.diversity`).

        Raises:
            TrainingError: it was below `diversity_floor` for too long.
        """
        least = self._recipe.diversity_floor
        if self._lasts("diversity", diversity < least, nimg):
            raise TrainingError(
                f"the generator has collapsed at nimg {nimg}: for {self._recipe.alarm_nimg} images the diversity of"
                f" its pictures was under {least:g} of that of real ones (now {diversity:.2g}); try a lower"
                " lr, loss=relativistic with r1_gamma and r2_gamma, or augmentation (diversity_floor=0 disables"
                " this alarm)"
            )

    def _lasts(self, sign: str, seen: bool, nimg: int) -> bool:
        if not seen:
            self.since.pop(sign, None)
            return False
        return nimg - self.since.setdefault(sign, nimg) >= self._recipe.alarm_nimg
