"""Which weights of a training are its best, by a figure that is measured on the way."""

from __future__ import annotations

from collections.abc import Callable
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
"""Number of the step that held-out images are drawn for: after every warm-up, and of no training."""


class BestSnapshot:
    """Measures the averaged generator and keeps the best weights so far.

    The figures, each on at most a thousand pictures and from the same inputs every time:

        diversity        how far `evaluate.diversity` is from 1, that of real images; small is good
        label_agreement  share of pictures whose nearest neighbours have the label asked for; large is good
        pixel_distance   Frechet distance to held-out images in 8x8 pixels; small is good
        held_out_loss    what the family minimises, on held-out images; small is good

    Args:
        recipe: with `metric` and `patience`.
        task: in training.
        average: of its generator.
        train, test: images to train on and held out.
        device: of the networks.

    Raises:
        UsageError: the metric cannot be measured for this family or this data.
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
        # Evenly from all of them: they may lie in the order of their classes.
        self._held_out = np.linspace(0, len(test) - 1, min(HELD_OUT, len(test)), dtype=np.int64)
        self._best: dict[str, Any] | None = None
        self._worse = 0

    def measure(self, nimg: int) -> float:
        """The metric of the averaged generator as it is now; the weights are kept if they are the best so far."""
        value = float(self._figures()[self._recipe.metric]())
        if self._best is None or self._cost(value) < self._cost(self._best["value"]):
            weights = {name: tensor.clone() for name, tensor in self._average.generator.state_dict().items()}
            self._best, self._worse = {"nimg": nimg, "value": value, "weights": weights}, 0
        else:
            self._worse += 1
        return value

    @property
    def exhausted(self) -> bool:
        """Whether `patience` measurements in a row have not been better than the best."""
        return bool(self._recipe.patience) and self._worse >= self._recipe.patience

    @property
    def best(self) -> tuple[int, float, dict[str, Tensor]] | None:
        """Images seen, value and weights of the best measurement; None before the first."""
        return (
            None if self._best is None else (self._best["nimg"], self._best["value"], self._best["weights"])
        )

    def state_dict(self) -> dict[str, Any]:
        """What the next measurement is compared with."""
        return {"best": self._best, "worse": self._worse}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
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
                reason = "its losses are a contest, and say nothing of the pictures; take pixel_distance"
        elif metric != "none" and not can_draw_samples(self._average.generator):
            reason = "its pictures are made from more than seeds and labels; take held_out_loss"
        if metric == "label_agreement" and (self._train.labels is None or not self._takes_labels()):
            reason = "it has no labels; take pixel_distance"
        if reason:
            raise UsageError(
                f"metric {metric!r} cannot be measured for family {recipe.family!r} on {recipe.data!r}: {reason}"
                " (--set metric=...)"
            )
        if recipe.patience and metric == "none":
            raise UsageError(f"patience={recipe.patience} needs something to wait for; give --set metric=...")

    def _takes_labels(self) -> bool:
        return self._average.generator.signature().field(Role.LABEL) is not None

    def _figures(self) -> dict[str, Callable[[], float]]:
        return {
            "diversity": lambda: self._drawn().diversity(self._train),
            "label_agreement": self._label_agreement,
            "pixel_distance": lambda: pixel_distance(self._drawn().images, self._test.images[self._held_out]),
            "held_out_loss": self._held_out_loss,
        }

    def _drawn(self) -> Any:
        generator = self._average.generator
        return draw_samples(
            PixelModel(generator, generator.signature(self._train.class_names)).eval(), self._device
        )

    def _label_agreement(self) -> float:
        made = self._drawn()
        return label_agreement(made.images, made.labels, self._train)

    @torch.no_grad()
    def _held_out_loss(self) -> float:
        """The first loss of a step on held-out images, of the averaged generator in the trained one's place."""
        task, trained = self._task, self._task.generator
        # No more parts than whole batches: a mean over parts of one size is the mean over the images.
        # Whole batches only, so that the mean over them is the mean over the images.
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
    """Whether pictures of a generator can be drawn without anything given: from seeds, labels and truncation alone."""
    roles = {field.role for field in generator.signature().inputs}
    return roles <= {Role.SEED, Role.LABEL, Role.TRUNCATION}
