"""Quality targets of every preset, for both budgets; this module measures nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field as Constraint

from ...bundle.json_documents import Document
from ...training.evaluation.document import Figure
from ...training.recipe import Budget

__all__ = ["EXPECTED", "FEATURE_NETS", "REASONS", "TARGETS", "Outcome", "QualityTarget", "outcomes"]

Reading = Annotated[
    Literal["value", "share of the baseline", "gain over the baseline"],
    BeforeValidator(lambda reading: str(reading).replace("ceiling", "baseline")),  # the older name
]


class QualityTarget(Document):
    """A limit for one figure of an evaluation.

    Args:
        metric: beginning of the figure's name in `evaluation.json`.
        reading: whether the limit applies to the figure, to figure / baseline, or to figure - baseline.
        better: whether lower or higher values are better.
        cpu, gpu: the limit at each budget; None if the budget has none.
    """

    metric: str
    reading: Reading = "value"
    better: Literal["lower", "higher"]
    cpu: float | None
    gpu: float | None

    def limit(self, budget: Budget) -> float | None:
        """The limit at a budget."""
        return self.cpu if budget == "cpu" else self.gpu

    def judge(self, figures: Iterable[Figure], limit: float) -> Outcome:
        """Compare the figure with a limit; a target whose figure is missing is not reached."""
        value = next(
            (self._read(figure) for figure in figures if figure.metric.startswith(self.metric)), None
        )
        reached = value is not None and (value <= limit if self.better == "lower" else value >= limit)
        return Outcome(target=self, limit=limit, value=value, reached=reached)

    def _read(self, figure: Figure) -> float | None:
        if self.reading == "value":
            return figure.value
        if figure.baseline is None:
            return None
        if self.reading == "gain over the baseline":
            return figure.value - figure.baseline
        return figure.value / figure.baseline if figure.baseline else None


class Outcome(Document):
    """A target and the measured value.

    Args:
        target: the target; older documents call it "bar".
        limit: its limit at the budget of the training.
        value: the measured value; None if it could not be measured.
        reached: whether the value meets the limit; False without a value.
    """

    target: Annotated[QualityTarget, Constraint(validation_alias=AliasChoices("target", "bar"))]
    limit: float
    value: float | None
    reached: bool


_FROM_NOISE = (
    QualityTarget(metric="FD-", reading="share of the baseline", better="lower", cpu=1 / 5, gpu=1 / 30),
    QualityTarget(metric="recall", better="higher", cpu=0.3, gpu=0.6),
)

TARGETS: dict[str, tuple[QualityTarget, ...]] = {
    "gan-mnist": _FROM_NOISE,
    "dcgan-fashion": _FROM_NOISE,
    "dcgan64-emoji": (
        QualityTarget(metric="FD-", reading="share of the baseline", better="lower", cpu=0.08, gpu=0.04),
        QualityTarget(metric="recall", better="higher", cpu=0.5, gpu=0.7),
    ),
    "cgan-mnist": (
        QualityTarget(metric="label accuracy", better="higher", cpu=0.97, gpu=0.99),
        QualityTarget(metric="GAN-train accuracy", better="higher", cpu=0.93, gpu=0.97),
    ),
    "cgan-fashion": (
        QualityTarget(metric="label accuracy", better="higher", cpu=0.85, gpu=0.92),
        QualityTarget(metric="GAN-train accuracy", better="higher", cpu=0.72, gpu=0.82),
    ),
    "r3gan-stacked": (
        QualityTarget(metric="modes", better="higher", cpu=600, gpu=1000),
        QualityTarget(metric="KL to the real modes", better="lower", cpu=1.0, gpu=0.05),
        QualityTarget(metric="precision", better="higher", cpu=0.3, gpu=0.6),
    ),
    "vae-mnist": (QualityTarget(metric="NLL", better="lower", cpu=95, gpu=88),),
    "pix2pix-restyle": (QualityTarget(metric="L1", better="lower", cpu=0.140, gpu=0.120),),
    "cyclegan-restyle": (
        QualityTarget(metric="FD-", reading="share of the baseline", better="lower", cpu=0.8, gpu=0.4),
    ),
    "superres-emoji": (
        QualityTarget(metric="PSNR", reading="gain over the baseline", better="higher", cpu=1, gpu=2),
    ),
    "inpaint-fashion": (
        QualityTarget(
            metric="PSNR inside the mask", reading="gain over the baseline", better="higher", cpu=4, gpu=7
        ),
    ),
    "flow-shapes": (QualityTarget(metric="attribute accuracy", better="higher", cpu=0.90, gpu=0.98),),
    "flow-emoji": (
        QualityTarget(metric="right drawing among the nearest 5%", better="higher", cpu=0.80, gpu=None),
        QualityTarget(metric="right drawing among the nearest 1%", better="higher", cpu=None, gpu=0.90),
    ),
}
"""Preset -> its targets; a preset without targets is still measured."""

REASONS = {
    "dcgan64-emoji": "The targets follow from the test set, because no publication measures these drawings in these"
    " features: real test drawings have an FD of 0.027 of noise's and a recall of 0.78. On a CPU three times that FD"
    " and two thirds of that recall are asked for, on a GPU one and a half times and nine tenths.",
    "flow-emoji": "No test caption is among the training captions. Their drawings are ranked among those of both"
    " parts, and there is no target: what a caption means that was never seen is partly chance."
    " The machine also did other work during this training, which took 26 minutes alone.",
}
"""Preset -> why its targets are what they are, or why a figure has none."""

EXPECTED = {"flow-emoji": ("right drawing among the nearest 5%, test captions",)}
"""Preset -> figures that have to be measured besides those with a target."""

FEATURE_NETS = {"mnist": 0.993, "fashion-mnist": 0.925}
"""Feature net -> least accuracy on test images; below it the figures of that data mean nothing."""


def outcomes(preset: str, budget: Budget, figures: Iterable[Figure]) -> tuple[Outcome, ...]:
    """Compare figures with the targets of a preset at a budget."""
    known = tuple(figures)
    limits = [(target, target.limit(budget)) for target in TARGETS.get(preset, ())]
    return tuple(target.judge(known, limit) for target, limit in limits if limit is not None)
