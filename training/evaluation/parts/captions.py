"""Whether pictures show what their captions say."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....errors import EvaluationError
from ....reporting import picture_grid
from ....signature.fields import Role
from ...data.scenes import Scene, read_scene
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured, Panel
from .base import Part as BasePart

__all__ = ["Part", "attributes_shown", "rank_shares"]

NEAREST_SHARES = (0.05, 0.01)
SHOWN = 12
SHOWN_STEPS = (1, 2, 4, 8, 16, 32, 64)
SHOWN_GUIDANCE = 5
ROWS_AT_ONCE = 256


class Part(BasePart):
    """Of made scenes the attributes are read off the pixels; of drawings the right one is looked for among all."""

    title = "Captions"
    position = 8

    def applies(self, subject: EvaluationContext) -> bool:
        """To whatever takes a text, where the data has captions."""
        return subject.has(Role.PROMPT) and subject.train.captions is not None

    def measure(self, subject: EvaluationContext) -> Measured:
        """Attributes right on test captions, or the rank of the right drawing for training captions."""
        captions = subject.test.captions
        if captions is None:
            raise EvaluationError(f"data {subject.test.name!r} has captions to train on but none to test on")
        figures = _attributes(subject) if _are_scenes(captions) else _ranks(subject)
        panels = [_new_captions(subject, captions)]
        if subject.has(Role.STEPS) and subject.has(Role.GUIDANCE):
            panels.append(_guidance_and_steps(subject, captions[0]))
        return Measured(figures, tuple(panels))


def attributes_shown(picture: NDArray[np.uint8], caption: str) -> NDArray[np.bool_]:
    """Which of a scene's seven attributes a picture shows: size, colour and shape of both things, and the relation.

    Args:
        picture: UINT8 of shape (32, 32, 3).
        caption: of a scene.

    Returns:
        Seven truth values; none is true where the picture shows no scene.
    """
    wanted, seen = Scene.parse(caption).canonical, read_scene(picture)
    if seen is None:
        return np.zeros(7, bool)
    pairs = [(wanted.relation, seen.relation)]
    for asked, shown in ((wanted.first, seen.first), (wanted.second, seen.second)):
        pairs += [(asked.size, shown.size), (asked.colour, shown.colour), (asked.shape, shown.shape)]
    return np.array([asked == shown for asked, shown in pairs])


def rank_shares(made: torch.Tensor, among: torch.Tensor, right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Which share of some features lies nearer to each made one than the right one does: 0 where that is nearest.

    Args:
        made: FP64 of shape (count, features).
        among: FP64 of shape (pictures, features).
        right: index into `among` for each made one, INT64 of shape (count,).

    Returns:
        FP64 of shape (count,) in [0, 1).
    """
    shares = []
    for start in range(0, len(made), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        distances = torch.cdist(made[rows], among)
        own = distances.gather(1, torch.from_numpy(right[rows])[:, None])
        shares.append((distances < own).double().mean(1))
    return torch.cat(shares).numpy()


def _are_scenes(captions: tuple[str, ...]) -> bool:
    try:
        return all(Scene.parse(caption) for caption in captions)
    except ValueError:
        return False


def _attributes(subject: EvaluationContext) -> tuple[Figure, ...]:
    test = subject.test.select(spread(min(subject.samples, len(subject.test)), len(subject.test)))
    assert test.captions is not None
    made = _of_captions(subject, test.captions)
    # A real picture beside a caption that is not its own: what is right by chance.
    strangers = np.roll(test.images, 1, axis=0)
    shown = [_shown(images, test.captions) for images in (made, test.images, strangers)]
    kinds = {
        "attribute accuracy": [each.mean() for each in shown],
        "whole scenes right": [each.all(1).mean() for each in shown],
    }
    return tuple(
        Figure(
            metric=f"{name}, test captions",
            unit="share",
            value=float(values[0]),
            reference=float(values[1]),
            reference_of="test set",
            baseline=float(values[2]),
            baseline_of="pictures of other captions",
            better="higher",
            n=len(test),
        )
        for name, values in kinds.items()
    )


def _shown(images: NDArray[np.uint8], captions: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.stack(
        [attributes_shown(image, caption) for image, caption in zip(images, captions, strict=True)]
    )


def _ranks(subject: EvaluationContext) -> tuple[Figure, ...]:
    drawings = subject.train_sample
    assert drawings.captions is not None
    chosen = spread(min(subject.samples, len(drawings)), len(drawings))
    made = subject.net.describe(_of_captions(subject, tuple(drawings.captions[index] for index in chosen)))
    shares = rank_shares(made.features, subject.train_output.features, chosen)
    return tuple(
        Figure(
            metric=f"right drawing among the nearest {share:.0%}, training captions",
            unit="share",
            value=float((shares < share).mean()),
            reference=1.0,  # a training drawing lies nearest to itself
            reference_of="training set",
            baseline=share,  # of any order of the drawings that knows nothing of captions
            baseline_of="chance",
            better="higher",
            n=len(chosen),
        )
        for share in NEAREST_SHARES
    )


def _of_captions(subject: EvaluationContext, captions: tuple[str, ...], **fields: Any) -> NDArray[np.uint8]:
    prompt, seed = subject.signature.field(Role.PROMPT), subject.signature.field(Role.SEED)
    assert prompt is not None
    inputs: dict[str, Any] = {prompt.name: np.array(captions, object), **fields}
    if seed is not None:
        inputs[seed.name] = np.arange(len(captions))
    return subject.make(inputs)


def _new_captions(subject: EvaluationContext, captions: tuple[str, ...]) -> Panel:
    chosen = tuple(captions[index] for index in spread(min(SHOWN, len(captions)), len(captions)))
    grid = picture_grid(_of_captions(subject, chosen), columns=1, row_names=chosen)
    return Panel(grid, "Captions that were not trained on.")


def _guidance_and_steps(subject: EvaluationContext, caption: str) -> Panel:
    steps, guidance = subject.signature.field(Role.STEPS), subject.signature.field(Role.GUIDANCE)
    assert steps is not None
    assert guidance is not None
    most, least = float(guidance.maximum or 8), float(guidance.minimum or 0)
    rows = np.linspace(least, most, SHOWN_GUIDANCE)
    columns = [number for number in SHOWN_STEPS if number <= (steps.maximum or max(SHOWN_STEPS))]
    pictures = [
        _of_captions(subject, (caption,), **{
            steps.name: np.array([number]).astype(steps.numpy_dtype),
            guidance.name: np.array([strength]).astype(guidance.numpy_dtype),
        })
        for strength in rows
        for number in columns
    ]  # fmt: skip
    grid = picture_grid(
        np.concatenate(pictures),
        columns=len(columns),
        row_names=[f"guidance {strength:g}" for strength in rows],
        column_names=[f"{number} step{'s' if number > 1 else ''}" for number in columns],
    )
    return Panel(grid, f"Seed 0, {caption!r}.")
