"""Image-to-image results beside their targets and an untrained baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....errors import EvaluationError
from ....signature.fields import Role
from ...data.dataset import Dataset
from ...metrics import fidelity
from ...metrics.distance import frechet_distance
from ...networks.image_to_image import side_by_side, source_inputs
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured, Panel, Part as BasePart

__all__ = ["Part", "baseline"]

ROWS = 10


class Part(BasePart):
    """Measures translated test pictures beside an untrained baseline, for example bicubic enlargement."""

    title = "Pictures from pictures"
    position = 7

    def applies(self, context: EvaluationContext) -> bool:
        """Generators with a source image."""
        return context.has(Role.IMAGE)

    def measure(self, context: EvaluationContext) -> Measured:
        """L1, PSNR and SSIM to the targets, and FD to training images of the target's kind."""
        test = context.test.select(spread(min(context.samples, len(context.test)), len(context.test)))
        inputs = _tasks(context, test)
        source, mask = _sources(context, inputs)
        name, untrained = baseline(source, mask, test.picture)
        compared = _Compared(
            context.make({**_seeds(context, len(test)), **inputs}), untrained, test.images, name
        )
        figures = [
            compared.figure("L1", "share", "lower", fidelity.l1),
            compared.figure("PSNR", "dB", "higher", fidelity.psnr_db),
            compared.figure("SSIM", "", "higher", fidelity.ssim),
        ]
        if mask is not None:
            inside = partial(fidelity.psnr_db, mask=mask)
            figures.append(compared.figure("PSNR inside the mask", "dB", "higher", inside))
        figures.append(compared.distance(context))
        return Measured(tuple(figures), (compared.panel(source),))


@dataclass(frozen=True)
class _Compared:
    """Outputs, the outputs of the baseline called `name`, and the targets."""

    made: NDArray[np.uint8]
    untrained: NDArray[np.uint8]
    wanted: NDArray[np.uint8]
    name: str

    def figure(
        self, metric: str, unit: str, better: Literal["lower", "higher"], measure: Callable[..., float]
    ) -> Figure:
        return Figure(
            metric=metric,
            unit=unit,
            value=measure(self.made, self.wanted),
            baseline=measure(self.untrained, self.wanted),
            baseline_of=self.name,
            better=better,
            n=len(self.made),
        )

    def distance(self, context: EvaluationContext) -> Figure:
        real = context.train_output.features
        value, reference, baseline = (
            frechet_distance(real, context.net.classify(images).features)
            for images in (self.made, self.wanted, self.untrained)
        )
        return Figure(
            metric=f"FD-{context.net.info.name} to the target's kind",
            value=value,
            reference=reference,
            reference_of="test set",
            baseline=baseline,
            baseline_of=self.name,
            better="lower",
            n=len(self.made),
        )

    def panel(self, source: NDArray[np.uint8]) -> Panel:
        rows = spread(min(ROWS, len(self.made)), len(self.made))
        columns = {"source": source, self.name: self.untrained, "made": self.made, "wanted": self.wanted}
        grid = side_by_side({heading: pictures[rows] for heading, pictures in columns.items()})
        return Panel(grid, "Test pictures, which were not trained on.")


def baseline(
    source: NDArray[np.uint8], mask: NDArray[np.bool_] | None, picture: tuple[int, int, int]
) -> tuple[str, NDArray[np.uint8]]:
    """The untrained baseline: the source itself, enlarged, or with its hole filled by the mean of the rest.

    Args:
        source: UINT8 of shape (count, height, width, channels).
        mask: of shape (count, height, width), true inside the hole; None without a mask.
        picture: height, width and channels of the target.

    Returns:
        The baseline's name, and UINT8 of shape (count, *picture).

    Raises:
        EvaluationError: source and target differ in channels.
    """
    if source.shape[3] != picture[2]:
        raise EvaluationError(
            f"no baseline turns sources of {source.shape[3]} channels into pictures of {picture[2]}"
        )
    if mask is not None:
        hole = mask[..., None]
        known = np.where(hole, 0, source).sum((1, 2), dtype=np.float64) / np.maximum((~hole).sum((1, 2)), 1)
        return "mean fill", np.where(hole, known.round().astype(np.uint8)[:, None, None], source)
    if source.shape[1:] != picture:
        return "bicubic", _enlarged(source, picture)
    return "identity", source


def _tasks(context: EvaluationContext, test: Dataset) -> dict[str, NDArray[Any]]:
    tasks = source_inputs(context.generator, context.signature, test)
    if tasks is None:
        raise EvaluationError(
            f"data {test.name!r} has no pairs, and the generator cannot derive sources from targets"
        )
    return tasks


def _sources(
    context: EvaluationContext, inputs: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    image, mask = context.signature.field(Role.IMAGE), context.signature.field(Role.MASK)
    assert image is not None
    if mask is None:
        return inputs[image.name], None
    hole = np.asarray(inputs[mask.name] > 0)
    return inputs[image.name], np.asarray(hole.any(axis=3)) if hole.ndim == 4 else hole


def _seeds(context: EvaluationContext, count: int) -> dict[str, NDArray[np.int64]]:
    seed = context.signature.field(Role.SEED)
    return {} if seed is None else {seed.name: np.arange(count)}


def _enlarged(images: NDArray[np.uint8], picture: tuple[int, int, int]) -> NDArray[np.uint8]:
    height, width, channels = picture
    enlarged = [
        np.asarray(
            Image.fromarray(image[..., 0] if channels == 1 else image).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        )
        for image in images
    ]
    return np.stack(enlarged).reshape(-1, height, width, channels)
