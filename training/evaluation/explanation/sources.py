"""Which pixels of its source a picture hangs on."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....bundle.explanation import Attribution, Cause, Example, Region
from ....errors import EvaluationError
from ....signature.fields import Role
from ...networks.image_to_image import source_inputs
from ...networks.pixel_model import PixelModel, model_inputs
from ..context import EvaluationContext, spread
from .gradients import integrate
from .occlusion import Changes, difference, occlude
from .picture_files import PictureFiles

__all__ = ["EXAMPLES", "explain_sources", "most_detailed", "regions_of"]

EXAMPLES = 4
MOST_ACROSS = 8
"""Regions along each side of a source."""

LEAST_SIDE = 2
TARGETS_ACROSS = 4


def regions_of(height: int, width: int, across: int = MOST_ACROSS) -> list[Region]:
    """Regions that cover a picture, row by row: at most `across` along each side, of at least two pixels."""
    rows, columns = (
        np.linspace(0, side, min(across, max(1, side // LEAST_SIDE)) + 1).round().astype(int).tolist()
        for side in (height, width)
    )
    return [
        (top, left, bottom, right)
        for (top, bottom), (left, right) in product(pairwise(rows), pairwise(columns))
    ]


def most_detailed(picture: NDArray[np.uint8]) -> Region:
    """The region with the greatest variance of a picture, UINT8 of shape (height, width, channels)."""
    height, width, _ = picture.shape
    regions = regions_of(height, width, TARGETS_ACROSS)
    return max(regions, key=lambda one: float(picture[one[0] : one[2], one[1] : one[3]].var((0, 1)).sum()))


def explain_sources(context: EvaluationContext, files: PictureFiles) -> list[Example]:
    """Explain pictures made from test pictures, spread over the data; seed 0 and on.

    Raises:
        EvaluationError: the data has no sources, or a source and its mean colour make the same picture.
        MissingExtra: captum is not installed.
    """
    test = context.test.select(spread(min(EXAMPLES, len(context.test)), len(context.test)))
    tasks = source_inputs(context.generator, context.signature, test)
    if tasks is None:
        raise EvaluationError(f"data {test.name!r} has no sources")
    seed = context.signature.field(Role.SEED)
    examples = []
    for number in range(len(test)):
        inputs = {name: values[number] for name, values in tasks.items()}
        numbers = {} if seed is None else {seed.name: number}
        examples.append(_explain(context, files, f"source-{number}", (numbers, inputs)))
    return examples


def _explain(
    context: EvaluationContext,
    files: PictureFiles,
    name: str,
    given: tuple[dict[str, int], dict[str, NDArray[np.uint8]]],
) -> Example:
    numbers, pictures = given
    source_field, mask_field = context.signature.field(Role.IMAGE), context.signature.field(Role.MASK)
    assert source_field is not None
    source = pictures[source_field.name]
    mean = source.mean((0, 1)).round().astype(np.uint8)
    regions = regions_of(*source.shape[:2])

    def make(sources: NDArray[np.uint8]) -> NDArray[np.uint8]:
        repeated = {key: np.repeat(value[None], len(sources), axis=0) for key, value in pictures.items()}
        fixed = {key: np.full(len(sources), value) for key, value in numbers.items()}
        return context.make({**fixed, **repeated, source_field.name: sources})

    def without(present: NDArray[np.bool_]) -> NDArray[np.uint8]:
        sources = np.repeat(source[None], len(present), axis=0)
        for row, region in np.argwhere(~present):
            top, left, bottom, right = regions[region]
            sources[row, top:bottom, left:right] = mean
        return sources

    picture = make(source[None])[0]
    changes = occlude(len(regions), lambda present: difference(make(without(present)), picture))
    hole = None if mask_field is None else pictures[mask_field.name][..., 0] > 0
    target = most_detailed(picture) if hole is None else _bounds(hole)
    return Example(
        name=name,
        kind="source",
        inputs={**context.fields, **numbers},
        images={key: files.add(f"{name}-{key}", value) for key, value in pictures.items()},
        made=files.add(name, picture),
        attributions=(
            _occlusion(files, name, changes, regions, source.shape[:2]),
            _gradients(context, files, name, ({**numbers, **pictures}, mean, regions, target)),
        ),
    )


def _occlusion(
    files: PictureFiles, name: str, changes: Changes, regions: list[Region], size: tuple[int, int]
) -> Attribution:
    heat = np.zeros(size)
    for (top, left, bottom, right), mean in zip(regions, changes.means, strict=True):
        heat[top:bottom, left:right] = mean
    return Attribution(
        method="occlusion",
        without="the mean colour of the source",
        full_scale=changes.full_scale,
        causes=tuple(
            Cause(name=_named(regions, index), region=region, share=float(share), change=float(mean))
            for index, (region, share, mean) in enumerate(
                zip(regions, changes.shares, changes.means, strict=True)
            )
        ),
        heat=files.add_map(f"{name}-occlusion-heat", heat, float(heat.max())),
        inside=_inside(changes, regions, size),
    )


def _gradients(
    context: EvaluationContext, files: PictureFiles, name: str, asked: tuple[Any, Any, list[Region], Region]
) -> Attribution:
    given, mean, regions, target = asked
    arrays = context.signature.check({key: np.asarray(value)[None] for key, value in given.items()})
    model = PixelModel(context.generator, context.signature).eval()
    inputs = model.network_inputs(*model_inputs(arrays.values(), context.device))
    position = [field.role for field in context.signature.inputs].index(Role.IMAGE)
    source = inputs[position]

    def images(sources: Tensor) -> Tensor:
        repeated = [value.repeat(len(sources), *[1] * (value.ndim - 1)) for value in inputs]
        repeated[position] = sources
        return context.generator(*repeated)

    colour = torch.from_numpy(mean.astype(np.float32)).to(source.device) / 127.5 - 1
    way = integrate(images, [source], [colour[None, :, None, None].expand_as(source)], target)
    pixels = way.shares[0].sum(0).numpy()
    heat = np.abs(pixels)
    return Attribution(
        method="integrated-gradients",
        without="the mean colour of the source",
        target=target,
        causes=tuple(
            Cause(
                name=_named(regions, index), region=region, share=float(pixels[top:bottom, left:right].sum())
            )
            for index, region in enumerate(regions)
            for top, left, bottom, right in (region,)
        ),
        remainder=way.remainder,
        heat=files.add_map(f"{name}-gradients-heat", heat, float(heat.max())),
    )


def _named(regions: list[Region], index: int) -> str:
    across = sum(top == regions[0][0] for top, *_ in regions)
    return f"row {index // across + 1}, column {index % across + 1}"


def _inside(changes: Changes, regions: list[Region], size: tuple[int, int]) -> float | None:
    """Share of the change that lies in the same region of the made picture; None if nothing changes."""
    total = changes.maps.sum()
    if total == 0:
        return None
    down, across = (made / source for made, source in zip(changes.maps.shape[1:], size, strict=True))
    inside = 0.0
    for values, (top, left, bottom, right) in zip(changes.maps, regions, strict=True):
        rows = slice(round(top * down), round(bottom * down))
        columns = slice(round(left * across), round(right * across))
        inside += values[rows, columns].sum()
    return float(inside / total)


def _bounds(hole: NDArray[np.bool_]) -> Region:
    """The least region that holds all of a hole, BOOL of shape (height, width); the whole picture without one."""
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    if not len(rows):
        return 0, 0, *hole.shape
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
