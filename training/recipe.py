"""The recipe of a training: all settings that decide the weights, and no others.

Families add keys in subclasses; the training loop reads only the keys here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field as Constraint, ValidationError

from ..errors import UnknownName, UsageError, expected

__all__ = [
    "BUDGETS",
    "METRICS",
    "Budget",
    "Count",
    "Metric",
    "NotNegative",
    "Positive",
    "Rate",
    "Recipe",
    "override",
]

Count = Annotated[int, Constraint(ge=1, le=10**12)]
Positive = Annotated[float, Constraint(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Constraint(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Constraint(ge=0, le=1)]
Budget = Literal["cpu", "gpu"]
BUDGETS: tuple[Budget, ...] = get_args(Budget)
Metric = Literal["none", "diversity", "label_agreement", "pixel_distance", "held_out_loss"]
METRICS: tuple[Metric, ...] = get_args(Metric)


class Recipe(BaseModel):
    """The resolved configuration of one training; written to the run as `recipe.json`.

    Args:
        preset: name of the preset.
        budget: size of the preset: "cpu" trains within 40 minutes on two slow cores, "gpu" is the full size.
        family: name of a module in `training.models`.
        data: training data, a value of `--data`.
        resolution: height and width in pixels to resize the images to; None keeps their size.
        seed: of all random numbers: initial weights, data order, latents.
        nimg: images to train on; the unit of all progress.
        batch: images per step, over all processes together.
        shuffle_nimg: images of a streamed data set that are shuffled together.
        precision: of the arithmetic under autocast; weights are always FP32.
        ema_half_life_nimg: half-life in images of a weight's share in the average.
        lr_rise_nimg: images at the start over which the learning rates rise linearly from zero.
        decay_nimg: images at the end over which the learning rates fall to zero; 0 keeps them constant.
        lr_decay: shape of that fall, "linear" or "cosine".
        weight_decay: decoupled decay of matrices and kernels, times the learning rate (AdamW); 0 disables it.
        clip_norm: largest global gradient norm of one optimizer; 0 disables clipping.
        metric: figure that selects the best snapshot, one of `METRICS`; "none" keeps the last one.
        metric_nimg: images between two measurements of the metric, rounded up to whole steps.
        patience: measurements without improvement after which training stops; 0 never stops.
        alarm_nimg: images for which a sign of collapse must last before it stops the run.
        saturation_gap, saturation_gradient: the discriminator is saturated if the mean logits of real and generated
            images differ by more than the gap while a network's gradient norm is below the gradient; a gap of 0
            disables the alarm.
        diversity_floor: least diversity of samples as a share of that of real images, measured with every sample grid;
            0 disables the alarm.
        stats_nimg, sample_nimg, checkpoint_nimg: images between two lines of statistics, sample grids, checkpoints;
            each is rounded up to whole steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    budget: Budget = "gpu"
    family: str
    data: str
    resolution: Annotated[int, Constraint(ge=1, le=4096)] | None = None
    seed: Annotated[int, Constraint(ge=0, le=2**31 - 1)] = 0
    nimg: Count
    batch: Annotated[int, Constraint(ge=2, le=1 << 20)] = 32
    shuffle_nimg: Annotated[int, Constraint(ge=1, le=1 << 24)] = 8_192
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    ema_half_life_nimg: Positive = 2_000
    lr_rise_nimg: Annotated[int, Constraint(ge=0)] = 0
    decay_nimg: Annotated[int, Constraint(ge=0)] = 0
    lr_decay: Literal["linear", "cosine"] = "linear"
    weight_decay: NotNegative = 0.0
    clip_norm: NotNegative = 0.0
    metric: Metric = "none"
    metric_nimg: Count = 50_000
    patience: Annotated[int, Constraint(ge=0)] = 0
    alarm_nimg: Count = 20_000
    saturation_gap: NotNegative = 5.0
    saturation_gradient: NotNegative = 1e-3
    diversity_floor: Rate = 0.05
    stats_nimg: Count = 1_000
    sample_nimg: Count = 8_000
    checkpoint_nimg: Count = 8_000

    @property
    def steps(self) -> int:
        """Number of training steps; the last one reaches `nimg`."""
        return -(-self.nimg // self.batch)


def override(recipe: type[Recipe], values: Mapping[str, Any], overrides: Mapping[str, str]) -> Recipe:
    """Build a recipe from a preset's values and overrides.

    Args:
        recipe: the family's recipe class.
        values: key -> value of the preset.
        overrides: key -> value as text; preset, budget and family cannot be overridden.

    Raises:
        UnknownName: a key is unknown.
        UsageError: a value is missing or not allowed.
    """
    known = set(recipe.model_fields) - {"preset", "budget", "family"}
    for key in overrides:
        if key not in known:
            raise UnknownName("recipe key", key, known)
    try:
        return recipe.model_validate({**values, **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "recipe"
        if first["type"] == "missing":
            option = "--data" if key == "data" else f"--set {key}=..."
            raise UsageError(f"preset {values['preset']!r} has no {key}; give {option}") from None
        raise UsageError(f"recipe key {key!r} was given {first['input']!r}; {expected(first)}") from None
