"""What every preset has to reach, at both of its budgets; measures nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..bundle.json_documents import Document
from ..training.evaluation.document import Figure
from ..training.recipe import Budget

__all__ = ["BARS", "FEATURE_NETS", "Bar", "Outcome", "outcomes"]

Reading = Literal["value", "share of the ceiling", "gain over the ceiling"]


class Bar(Document):
    """One figure of an evaluation with what it must reach.

    Args:
        metric: beginning of the figure's name in `evaluation.json`.
        reading: the figure itself, or how it stands to the ceiling beside it: noise, or the picture untouched.
        better: whether lower or higher is.
        cpu, gpu: the limit at either budget; None where nothing is owed at it.
    """

    metric: str
    reading: Reading = "value"
    better: Literal["lower", "higher"]
    cpu: float | None
    gpu: float | None

    def limit(self, budget: Budget) -> float | None:
        """What must be reached at a budget."""
        return self.cpu if budget == "cpu" else self.gpu

    def judge(self, figures: Iterable[Figure], limit: float) -> Outcome:
        """What some figures say of this bar; without the figure it is not reached."""
        value = next(
            (self._read(figure) for figure in figures if figure.metric.startswith(self.metric)), None
        )
        reached = value is not None and (value <= limit if self.better == "lower" else value >= limit)
        return Outcome(bar=self, limit=limit, value=value, reached=reached)

    def _read(self, figure: Figure) -> float | None:
        if self.reading == "value":
            return figure.value
        if figure.ceiling is None:
            return None
        if self.reading == "gain over the ceiling":
            return figure.value - figure.ceiling
        return figure.value / figure.ceiling if figure.ceiling else None


class Outcome(Document):
    """A bar and what was measured.

    Args:
        bar: what had to be reached.
        limit: of the budget that was trained.
        value: what was; None where it could not be measured, which is never enough.
        reached: whether it was enough.
    """

    bar: Bar
    limit: float
    value: float | None
    reached: bool


_FROM_NOISE = (
    Bar(metric="FD-", reading="share of the ceiling", better="lower", cpu=1 / 5, gpu=1 / 30),
    Bar(metric="recall", better="higher", cpu=0.3, gpu=0.6),
)

BARS: dict[str, tuple[Bar, ...]] = {
    "gan-mnist": _FROM_NOISE,
    "dcgan-fashion": _FROM_NOISE,
    "cgan-mnist": (
        Bar(metric="label accuracy", better="higher", cpu=0.97, gpu=0.99),
        Bar(metric="GAN-train accuracy", better="higher", cpu=0.93, gpu=0.97),
    ),
    "cgan-fashion": (
        Bar(metric="label accuracy", better="higher", cpu=0.85, gpu=0.92),
        Bar(metric="GAN-train accuracy", better="higher", cpu=0.72, gpu=0.82),
    ),
    "r3gan-stacked": (
        Bar(metric="modes", better="higher", cpu=600, gpu=1000),
        Bar(metric="KL to the real modes", better="lower", cpu=1.0, gpu=0.05),
    ),
    "vae-mnist": (Bar(metric="NLL", better="lower", cpu=95, gpu=88),),
    "pix2pix-restyle": (Bar(metric="L1", better="lower", cpu=0.140, gpu=0.120),),
    "cyclegan-restyle": (
        Bar(metric="FD-", reading="share of the ceiling", better="lower", cpu=0.8, gpu=0.4),
    ),
    "superres-emoji": (Bar(metric="PSNR", reading="gain over the ceiling", better="higher", cpu=1, gpu=2),),
    "inpaint-fashion": (
        Bar(metric="PSNR inside the mask", reading="gain over the ceiling", better="higher", cpu=4, gpu=7),
    ),
    "flow-shapes": (Bar(metric="attribute accuracy", better="higher", cpu=0.90, gpu=0.98),),
    "flow-emoji": (
        Bar(metric="right drawing among the nearest 5%", better="higher", cpu=0.80, gpu=None),
        Bar(metric="right drawing among the nearest 1%", better="higher", cpu=None, gpu=0.90),
    ),
}
"""Preset -> its bars; a preset without any is measured all the same."""

FEATURE_NETS = {"mnist": 0.993, "fashion-mnist": 0.925}
"""Feature net -> least accuracy on test images: below it, no figure of its data is worth anything."""


def outcomes(preset: str, budget: Budget, figures: Iterable[Figure]) -> tuple[Outcome, ...]:
    """What some figures say of the bars that a preset has at a budget."""
    known = tuple(figures)
    limits = [(bar, bar.limit(budget)) for bar in BARS.get(preset, ())]
    return tuple(bar.judge(known, limit) for bar, limit in limits if limit is not None)
