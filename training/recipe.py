"""What one training is made of: every number that decides the weights, and none that does not.

A family adds its own keys in a subclass; the loop reads only the ones here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as Constraint

from ..errors import UnknownName, UsageError

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
    """The resolved configuration of one training; written as `recipe.json` beside what it made.

    Args:
        preset: the named line that it started from.
        budget: the size of the preset: what two slow cores train within 40 minutes ("cpu"), or the full one ("gpu").
        family: of generators, the name of a module in `training.models`.
        data: what it is trained on, as `--data` takes it.
        resolution: height and width in pixels to bring the images to; None keeps their size.
        seed: of everything that is drawn: first weights, order of the data, latents.
        nimg: how many images to train on; the unit of all progress.
        batch: images of one step, over all processes together.
        precision: of the arithmetic under autocast; the weights are FP32 always.
        ema_half_life_nimg: images after which a weight's share in the average has halved.
        lr_rise_nimg: images at the start of the run over which the learning rates rise linearly from zero.
        decay_nimg: images at the end of the run over which the learning rates fall to zero; 0 keeps them up.
        lr_decay: the form of that fall, "linear" or "cosine".
        weight_decay: decoupled decay of matrices and kernels, times the learning rate (AdamW); 0 leaves it out.
        clip_norm: largest global norm of one optimizer's gradient; 0 leaves it as it is.
        metric: what the best snapshot is chosen by, one of `METRICS`; "none" takes the last one.
        metric_nimg: images between two measurements of the metric, rounded up to whole steps.
        patience: measurements without a better one after which training stops; 0 trains to the end.
        alarm_nimg: images for which a sign of collapse must last before it stops the run.
        saturation_gap: largest distance between the mean logits of real and made images, and
        saturation_gradient: least norm of a network's gradient: beyond both, the discriminator is saturated; a gap of
            0 switches the alarm off.
        diversity_floor: least diversity of made pictures as a share of real ones', measured with every sample grid; 0
            switches the alarm off.
        stats_nimg, sample_nimg, checkpoint_nimg: images between two lines of statistics, two sample grids, two
            checkpoints; each is rounded up to whole steps.
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
        """How many steps the training has: the last one reaches `nimg`."""
        return -(-self.nimg // self.batch)


def override(recipe: type[Recipe], values: Mapping[str, Any], overrides: Mapping[str, str]) -> Recipe:
    """A preset's values with those of the command line in their place, checked.

    Args:
        recipe: the family's type of recipe.
        values: key -> value, as the preset has it.
        overrides: key -> value as text; preset, budget and family cannot be given.

    Raises:
        UnknownName: a key is unknown.
        UsageError: a value is not allowed.
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
        raise UsageError(f"recipe key {key!r} was given {first['input']!r}: {first['msg']}") from None
