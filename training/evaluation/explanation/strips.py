"""What latent directions do to pictures: strips to look at, and figures beside random directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....bundle.explanation import Direction, StartingPoint
from ....signature import with_latent
from ....signature.fields import Role
from ....signature.noise import gaussian
from ...networks.pixel_model import PixelModel, model_inputs
from ..context import EvaluationContext, spread
from .directions import LATENTS, Found, ganspace, sefa
from .picture_files import PictureFiles
from .properties import measure_properties

__all__ = ["AMOUNTS", "applies", "explain_directions"]

DIRECTIONS = 5
"""Directions of each method."""

AMOUNTS = (-3.0, -1.5, 0.0, 1.5, 3.0)
STARTS = 3
MEASURED_SEEDS = 64
RANDOM_DIRECTIONS = 16
LEAST_EFFECT = 0.2
"""Mean change of a property for an amount of 1, in standard deviations, from which a direction is named after it."""


@dataclass(frozen=True)
class _Latents:
    """Latents with the other inputs of their pictures.

    Args:
        values: FP32 of shape (count, latent_size).
        others: field name -> value of each picture.
    """

    values: NDArray[np.float32]
    others: dict[str, NDArray[np.int64]]

    def moved(self, vector: NDArray[np.float32], amount: float) -> dict[str, NDArray[Any]]:
        """The inputs with every latent moved by `amount` along `vector`."""
        return {"latent": self.values + np.float32(amount) * vector, **self.others}


def applies(context: EvaluationContext) -> bool:
    """Whether the generator turns a latent, alone or with a label, into a picture."""
    return context.has(Role.SEED) and not any(map(context.has, (Role.IMAGE, Role.MASK, Role.PROMPT)))


def explain_directions(
    context: EvaluationContext, files: PictureFiles
) -> tuple[list[StartingPoint], list[Direction]]:
    """Find directions by both methods, measure and draw them.

    Raises:
        EvaluationError: the first layer gives no directions.
    """
    found = _found(context)
    starts, measured = _latents(context, STARTS), _latents(context, MEASURED_SEEDS)
    random = np.random.default_rng(0).standard_normal((RANDOM_DIRECTIONS, context.generator.latent_size))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    judge = _Judge(context, measured)
    by_chance = float(np.mean([judge.change(vector.astype(np.float32)) for vector in random]))
    directions, numbers = [], {"ganspace": 0, "sefa": 0}
    for one in found:
        numbers[one.method] += 1
        name, vector = f"{one.method}-{numbers[one.method]}", one.vector.numpy()
        strip = np.stack([context.make(starts.moved(vector, amount), latent=True) for amount in AMOUNTS], 1)
        effects = judge.effects(vector)
        strongest = max(effects, key=lambda each: abs(effects[each]))
        directions.append(
            Direction(
                name=name,
                method=one.method,
                vector=tuple(vector.tolist()),
                weight=one.weight,
                amounts=AMOUNTS,
                change=judge.change(vector),
                random_change=by_chance,
                label_kept=judge.label_kept(vector),
                describes=strongest if abs(effects[strongest]) >= LEAST_EFFECT else "",
                effects=effects,
                strip=files.add_strip(name, strip.reshape(-1, *strip.shape[2:]), len(AMOUNTS)),
            )
        )
    return _starting_points(context, files, starts), directions


class _Judge:
    """Measures directions on the same latents."""

    def __init__(self, context: EvaluationContext, latents: _Latents) -> None:
        self._context, self._latents = context, latents
        self._middle = context.make(latents.moved(np.zeros(1, np.float32), 0), latent=True)
        properties = measure_properties(self._middle)
        self._deviations = {name: float(values.std()) for name, values in properties.items()}

    def change(self, vector: NDArray[np.float32]) -> float:
        """Mean absolute change of the pictures from 0 to both ends, in grey levels."""
        ends = [self._moved(vector, amount) for amount in (AMOUNTS[0], AMOUNTS[-1])]
        return float(np.mean([np.abs(end.astype(np.float64) - self._middle).mean() for end in ends]))

    def label_kept(self, vector: NDArray[np.float32]) -> float | None:
        """Share of the pictures at both ends that the feature net puts in their class; None without classes."""
        label = self._context.signature.field(Role.LABEL)
        if label is None or self._context.net.info.task == "turns":
            return None
        wanted = self._latents.others[label.name]
        ends = [self._moved(vector, amount) for amount in (AMOUNTS[0], AMOUNTS[-1])]
        return float(np.mean([self._context.net.classify(end).accuracy(wanted) for end in ends]))

    def effects(self, vector: NDArray[np.float32]) -> dict[str, float]:
        """Mean change of each property for an amount of 1, in standard deviations over pictures."""
        step = AMOUNTS[-2]
        after, before = (measure_properties(self._moved(vector, amount)) for amount in (step, -step))
        return {
            name: float((after[name] - before[name]).mean()) / (2 * step) / deviation
            if deviation > 0
            else 0.0
            for name, deviation in self._deviations.items()
        }

    def _moved(self, vector: NDArray[np.float32], amount: float) -> NDArray[np.uint8]:
        return self._context.make(self._latents.moved(vector, amount), latent=True)


def _found(context: EvaluationContext) -> list[Found]:
    size = context.generator.latent_size
    latents = _latents(context, LATENTS)
    label = context.signature.field(Role.LABEL)
    model = _of_latents(context)

    def run(others: dict[str, NDArray[np.int64]], values: torch.Tensor) -> None:
        arrays = model.signature.check({"latent": values.numpy(), **others})
        model.images(*model_inputs(arrays.values(), context.device))

    same = {name: np.zeros(size + 2, np.int64) for name in latents.others}
    groups = None if label is None else torch.from_numpy(latents.others[label.name])
    values = torch.from_numpy(latents.values)
    components = ganspace(
        model.generator, lambda given: run(latents.others, given), values, groups, DIRECTIONS
    )
    return [*components, *sefa(model.generator, lambda given: run(same, given), size, DIRECTIONS)]


def _of_latents(context: EvaluationContext) -> PixelModel:
    signature = with_latent(context.signature, context.generator.latent_size)
    return PixelModel(context.generator, signature).eval()


def _latents(context: EvaluationContext, count: int) -> _Latents:
    """Of the seeds 0 to `count` - 1; their classes are spread over all."""
    label = context.signature.field(Role.LABEL)
    classes = int(label.maximum or 0) + 1 if label else 0
    others = {}
    if label:
        chosen = spread(min(count, classes), classes)
        others[label.name] = chosen[np.arange(count) % len(chosen)]
    return _Latents(gaussian(np.arange(count), context.generator.latent_size), others)


def _starting_points(
    context: EvaluationContext, files: PictureFiles, starts: _Latents
) -> list[StartingPoint]:
    label = context.signature.field(Role.LABEL)
    pictures = context.make(starts.moved(np.zeros(1, np.float32), 0), latent=True)
    return [
        StartingPoint(
            seed=seed,
            label=None if label is None else int(starts.others[label.name][seed]),
            latent=tuple(latent.tolist()),
            made=files.add(f"start-{seed}", picture),
        )
        for seed, (latent, picture) in enumerate(zip(starts.values, pictures, strict=True))
    ]
