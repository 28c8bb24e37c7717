"""Agreement of pictures with their captions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....errors import EvaluationError
from ....reporting import picture_grid
from ....signature.fields import Role
from ...data.dataset import Dataset
from ...data.scenes import Scene, read_scene
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured, Panel, Part as BasePart

__all__ = ["Part", "attributes_shown", "rank_shares"]

NEAREST_SHARES = (0.05, 0.01)
SHOWN = 12
SHOWN_STEPS = (1, 2, 4, 8, 16, 32, 64)
SHOWN_GUIDANCE = 5
ROWS_AT_ONCE = 256


class Part(BasePart):
    """Reads attributes of generated scenes from their pixels; for other data, ranks the captioned picture."""

    title = "Captions"
    position = 8

    def applies(self, context: EvaluationContext) -> bool:
        """Generators with a prompt, on data with captions."""
        return context.has(Role.PROMPT) and context.train.captions is not None

    def measure(self, context: EvaluationContext) -> Measured:
        """Attribute accuracy on test captions, or the rank of the right picture for training and test captions."""
        captions = context.test.captions
        if captions is None:
            raise EvaluationError(
                f"data {context.test.name!r} has captions in its training part but none in its test part"
            )
        figures = _attributes(context) if _are_scenes(captions) else _ranks(context)
        panels = [_new_captions(context, captions)]
        if context.has(Role.STEPS) and context.has(Role.GUIDANCE):
            panels.append(_guidance_and_steps(context, captions[0]))
        return Measured(figures, tuple(panels))


def attributes_shown(picture: NDArray[np.uint8], caption: str) -> NDArray[np.bool_]:
    """Which of a scene's seven attributes a picture shows: size, colour and shape of both objects, and the relation.

    Args:
        picture: UINT8 of shape (32, 32, 3).
        caption: of a scene.

    Returns:
        Seven booleans; all false if the picture shows no scene.
    """
    wanted, seen = Scene.parse(caption).canonical, read_scene(picture)
    if seen is None:
        return np.zeros(7, bool)
    pairs = [(wanted.relation, seen.relation)]
    for expected, shown in ((wanted.first, seen.first), (wanted.second, seen.second)):
        pairs += [(getattr(expected, name), getattr(shown, name)) for name in ("size", "colour", "shape")]
    return np.array([expected == shown for expected, shown in pairs])


def rank_shares(made: torch.Tensor, among: torch.Tensor, right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the pictures whose features lie nearer to each sample than those of the right picture; 0 is best.

    Args:
        made: features of the samples, FP64 of shape (count, features).
        among: features of the pictures, FP64 of shape (pictures, features).
        right: index of the right picture for each sample, INT64 of shape (count,).

    Returns:
        FP64 of shape (count,) in [0, 1).
    """
    shares = []
    for rows, own_rows in zip(
        made.split(ROWS_AT_ONCE), torch.from_numpy(right).split(ROWS_AT_ONCE), strict=True
    ):
        distances = torch.cdist(rows, among)
        own = distances.gather(1, own_rows[:, None])
        shares.append((distances < own).double().mean(1))
    return torch.cat(shares).numpy()


def _are_scenes(captions: tuple[str, ...]) -> bool:
    try:
        return all(Scene.parse(caption) for caption in captions)
    except ValueError:
        return False


def _attributes(context: EvaluationContext) -> tuple[Figure, ...]:
    test = context.test.select(spread(min(context.samples, len(context.test)), len(context.test)))
    assert test.captions is not None
    made = _of_captions(context, test.captions)
    # Real pictures beside the caption of another one give the accuracy of chance.
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


def _ranks(context: EvaluationContext) -> tuple[Figure, ...]:
    """Of training captions among the training drawings; of test captions, never trained on, among all drawings."""
    trained, unseen = context.train_sample, context.test
    features = context.train_output.features
    everything = torch.cat((features, context.test_output.features))
    return (
        *_ranks_of(context, trained, features, 0, "training"),
        *_ranks_of(context, unseen, everything, len(features), "test"),
    )


def _ranks_of(
    context: EvaluationContext, asked: Dataset, among: torch.Tensor, first: int, part: str
) -> tuple[Figure, ...]:
    """Ranks of the captions of one part of the data, whose drawings begin at row `first` of `among`."""
    assert asked.captions is not None
    chosen = spread(min(context.samples, len(asked)), len(asked))
    made = context.net.classify(_of_captions(context, tuple(asked.captions[index] for index in chosen)))
    shares = rank_shares(made.features, among, first + chosen)
    return tuple(
        Figure(
            metric=f"right drawing among the nearest {share:.0%}, {part} captions",
            unit="share",
            value=float((shares < share).mean()),
            reference=1.0,  # a drawing is nearest to itself
            reference_of=f"{part} set",
            baseline=share,  # of a random order
            baseline_of="chance",
            better="higher",
            n=len(chosen),
        )
        for share in NEAREST_SHARES
    )


def _of_captions(context: EvaluationContext, captions: tuple[str, ...], **fields: Any) -> NDArray[np.uint8]:
    prompt, seed = context.signature.field(Role.PROMPT), context.signature.field(Role.SEED)
    assert prompt is not None
    inputs: dict[str, Any] = {prompt.name: np.array(captions, object), **fields}
    if seed is not None:
        inputs[seed.name] = np.arange(len(captions))
    return context.make(inputs)


def _new_captions(context: EvaluationContext, captions: tuple[str, ...]) -> Panel:
    chosen = tuple(captions[index] for index in spread(min(SHOWN, len(captions)), len(captions)))
    grid = picture_grid(_of_captions(context, chosen), columns=1, row_names=chosen)
    return Panel(grid, "Test captions, which were not trained on.")


def _guidance_and_steps(context: EvaluationContext, caption: str) -> Panel:
    steps, guidance = context.signature.field(Role.STEPS), context.signature.field(Role.GUIDANCE)
    assert steps is not None
    assert guidance is not None
    most, least = float(guidance.maximum or 8), float(guidance.minimum or 0)
    rows = np.linspace(least, most, SHOWN_GUIDANCE)
    columns = [number for number in SHOWN_STEPS if number <= (steps.maximum or max(SHOWN_STEPS))]
    pictures = [
        _of_captions(context, (caption,), **{
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
