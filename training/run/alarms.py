"""Signs that a training has gone wrong for good: each stops the run, saying what was seen, when, and what to try.

Single bad steps are part of a GAN's life: but for numbers that are not finite, a sign must have been there without a
break for as many images as the recipe says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from ...errors import TrainingError
from ..recipe import Recipe

__all__ = ["Alarms"]

SATURATION = {"real_logit", "fake_logit", "generator_gradient", "discriminator_gradient"}
"""Names of the statistics that the discriminator's saturation is read from."""

LEAST_SCALE = 2.0**-10
"""Of an FP16 loss: gradients that overflow even so are no longer a matter of scale."""


class Alarms:
    """Watches one training.

    Args:
        recipe: with the limits.
        since: sign -> images seen when it appeared; of the signs that are there.
    """

    def __init__(self, recipe: Recipe, since: Mapping[str, int] | None = None) -> None:
        self._recipe = recipe
        self.since = dict(since or {})

    def check_step(self, statistics: Mapping[str, float], nimg: int) -> None:
        """Look at what one step showed: numbers that are not finite, and a saturated discriminator.

        The discriminator is saturated when its mean logits of real and made images lie further apart than
        `saturation_gap`, while the norm of one network's gradient is below `saturation_gradient`: the discriminator is
        right about every picture and has nothing to learn from them, or what it says no longer depends on anything
        that the generator can change (Arjovsky and Bottou 2017, section 2). Only families with such statistics can
        show this sign.

        Args:
            statistics: name -> value; the sign is read from those in `SATURATION`.
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
                f" real and made images lay more than {most:g} apart (now {gap:.3g}) while a gradient was below"
                f" {least:g} (now the {network}'s: {gradient:.2g}); try lower learning rates, a larger r1_gamma or"
                " augmentation (saturation_gap=0 switches this alarm off)"
            )

    def check_weights(self, task: nn.Module, nimg: int) -> None:
        """Look for weights that are not finite.

        Raises:
            TrainingError: there is one.
        """
        for name, value in task.state_dict().items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise TrainingError(
                    f"training diverged at nimg {nimg}: weight {name} is not finite; try a lower learning rate"
                    " (--set lr=...)"
                )

    def check_scale(self, name: str, scale: float, nimg: int) -> None:
        """Look at what an FP16 loss is multiplied with.

        Raises:
            TrainingError: it fell too low.
        """
        if scale < LEAST_SCALE:
            raise TrainingError(
                f"training diverged at nimg {nimg}: the gradient of {name} overflows FP16 at any scale; try"
                " precision=bf16 or a lower learning rate (--set lr=...)"
            )

    def check_diversity(self, diversity: float, nimg: int) -> None:
        """Look at how much made pictures differ, as a share of how much real ones do (`evaluate.diversity`).

        Raises:
            TrainingError: it has been under the floor for too long.
        """
        floor = self._recipe.diversity_floor
        if self._lasts("diversity", diversity < floor, nimg):
            raise TrainingError(
                f"the generator has collapsed at nimg {nimg}: for {self._recipe.alarm_nimg} images the diversity of"
                f" its pictures was under {floor:g} of real ones' (now {diversity:.2g}); try a lower lr,"
                " loss=relativistic with r1_gamma and r2_gamma, or augmentation (diversity_floor=0 switches this alarm"
                " off)"
            )

    def _lasts(self, sign: str, seen: bool, nimg: int) -> bool:
        if not seen:
            self.since.pop(sign, None)
            return False
        return nimg - self.since.setdefault(sign, nimg) >= self._recipe.alarm_nimg
