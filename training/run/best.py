"""Selection of the best weights of a training by a figure measured during it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import UsageError
from ...signature.fields import Role
from ..data.dataset import Dataset
from ..metrics.pixels import draw_samples, label_agreement, pixel_distance
from ..networks.pixel_model import PixelModel
from ..objectives.task import Task
from ..optim.ema import WeightEma
from ..randomness import Draw
from ..recipe import Recipe

__all__ = ["BestSnapshot", "can_draw_samples"]

HELD_OUT = 1_000
BATCH = 50
LATE_STEP = 1 << 40
"""Step number for the random numbers of held-out losses; no training reaches it."""


class BestSnapshot:
    """Measures the averaged generator and keeps the best weights so far.

    Each figure is measured on at most a thousand pictures, always from the same inputs:

        diversity        `metrics.pixels.diversity`, best at 1, that of real images
        label_agreement  share of pictures whose nearest neighbours have the requested label; higher is better
        pixel_distance   Frechet distance to held-out images in 8x8 pixels; lower is better
        held_out_loss    the family's loss on held-out images; lower is better

    Args:
        recipe: with `metric` and `patience`.
        task: in training.
        average: of its generator.
        train, test: training and held-out images.
        device: of the networks.

    Raises:
        UsageError: the metric does not apply to this family or data.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        average: WeightEma,
        train: Dataset,
        test: Dataset,
        device: torch.device,
    ) -> None:
        self._recipe, self._task, self._average = recipe, task, average
        self._train, self._test, self._device = train, test, device
        self._check()
        # At even intervals, because images may be sorted by class.
        self._held_out = np.linspace(0, len(test) - 1, min(HELD_OUT, len(test)), dtype=np.int64)
        self._best: dict[str, Any] | None = None
        self._worse = 0

    def measure(self, nimg: int) -> float:
        """Measure the metric of the averaged generator, and keep its weights if they are the best so far."""
        value = float(self._figure())
        if self._best is None or self._cost(value) < self._cost(self._best["value"]):
            weights = {name: tensor.clone() for name, tensor in self._average.generator.state_dict().items()}
            self._best, self._worse = {"nimg": nimg, "value": value, "weights": weights}, 0
        else:
            self._worse += 1
        return value

    @property
    def exhausted(self) -> bool:
        """Whether the last `patience` measurements brought no improvement."""
        return bool(self._recipe.patience) and self._worse >= self._recipe.patience

    @property
    def best(self) -> tuple[int, float, dict[str, Tensor]] | None:
        """Images seen, value and weights of the best measurement; None before the first."""
        return (
            None if self._best is None else (self._best["nimg"], self._best["value"], self._best["weights"])
        )

    def state_dict(self) -> dict[str, Any]:
        """The best measurement and its weights."""
        return {"best": self._best, "worse": self._worse}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a result of `state_dict`."""
        if state:
            self._best, self._worse = state["best"], state["worse"]

    def _cost(self, value: float) -> float:
        match self._recipe.metric:
            case "label_agreement":
                return -value
            case "diversity":
                return abs(value - 1)
            case _:
                return value

    def _check(self) -> None:
        recipe, metric = self._recipe, self._recipe.metric
        reason = None
        if metric == "held_out_loss":
            if len(self._task.optimizers()) > 1:
                reason = "adversarial losses do not measure quality; use pixel_distance"
        elif metric != "none" and not can_draw_samples(self._average.generator):
            reason = "its generator needs more inputs than seeds and labels; use held_out_loss"
        takes_labels = self._average.generator.signature().field(Role.LABEL) is not None
        if metric == "label_agreement" and (self._train.labels is None or not takes_labels):
            reason = "there are no labels; use pixel_distance"
        if reason:
            raise UsageError(
                f"metric {metric!r} cannot be measured for family {recipe.family!r} on {recipe.data!r}: {reason}"
                " (--set metric=...)"
            )
        if recipe.patience and metric == "none":
            raise UsageError(f"patience={recipe.patience} needs a metric; give --set metric=...")

    def _figure(self) -> float:
        if self._recipe.metric == "held_out_loss":
            return self._held_out_loss()
        generator = self._average.generator
        model = PixelModel(generator, generator.signature(self._train.class_names)).eval()
        samples = draw_samples(model, self._device)
        if self._recipe.metric == "pixel_distance":
            return pixel_distance(samples.images, self._test.images[self._held_out])
        if self._recipe.metric == "label_agreement":
            assert samples.labels is not None
            return label_agreement(samples.images, samples.labels, self._train)
        return samples.diversity(self._train)

    @torch.no_grad()
    def _held_out_loss(self) -> float:
        """The first loss of the averaged generator on held-out images."""
        task, trained = self._task, self._task.generator
        # Whole batches of equal size, so that the mean over batches is the mean over images.
        size = min(BATCH, len(self._held_out))
        task.eval()
        task.generator = self._average.generator
        try:
            losses = []
            for number in range(len(self._held_out) // size):
                indices = self._held_out[number * size :][:size]
                draw = Draw(self._recipe.seed, LATE_STEP + number, size, slice(None), self._device)
                losses.append(next(task.losses(self._test.batch(indices, self._device), draw)).loss.item())
        finally:
            task.generator = trained
            task.train()
        return sum(losses) / len(losses)


def can_draw_samples(generator: Any) -> bool:
    """Whether samples need no inputs but seeds, labels and truncation."""
    roles = {field.role for field in generator.signature().inputs}
    return roles <= {Role.SEED, Role.LABEL, Role.TRUNCATION}
