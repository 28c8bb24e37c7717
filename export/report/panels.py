"""Pictures of a report: every variant beside PyTorch, amplified differences, and the worst probe of each variant."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ...bundle.probes import Probes, in_words
from ...parity.metrics import psnr_db
from ...reporting import SMALL_PICTURE_PIXELS, PageImage, number, page_image

__all__ = ["PictureComparison", "compare_pictures"]

MOST_PROBES = 8
ROW_PIXELS = 800
"""Width of a page that a row of pictures may fill."""

_VISIBLE_PERCENTILE = 99.9
"""Percentile of the differences that is amplified to nearly white."""


Row = Sequence[str | PageImage]


@dataclass(frozen=True)
class PictureComparison:
    """Tables of pictures.

    Args:
        columns: headings of `chosen` and `all`: the probes.
        chosen: PyTorch, and of every chosen variant its pictures and their differences.
        all: the same of every variant.
        identical: short names of the variants with PyTorch's pictures; they have no row of differences.
        worst: a row for every other variant: name, picture of PyTorch, picture, difference, PSNR in dB, factor of the
            difference, number of the probe, inputs in words.
        parted: the same of the probes that part, the furthest first.
    """

    columns: list[str]
    chosen: list[Row]
    all: list[Row]
    identical: list[str]
    worst: list[Row]
    parted: list[Row]


def compare_pictures(
    probes: Probes,
    pictures: Mapping[str, NDArray[np.uint8]],
    chosen: Collection[str],
    parted: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> PictureComparison:
    """Compare pictures of the same probes, each variant's worst probe among them.

    Args:
        probes: with PyTorch's pictures.
        pictures: short name of a variant -> its pictures of all probes.
        chosen: short names of the variants to show first; empty for all.
        parted: short name of a variant -> its probes that part.
    """
    reference = probes.images
    # A variant with pictures of another shape has failed, and cannot be compared.
    usable = {name: made for name, made in pictures.items() if made.shape == reference.shape}
    difference = {
        name: np.abs(reference.astype(np.int16) - made.astype(np.int16)) for name, made in usable.items()
    }
    quality = {name: psnr_db(made, reference) for name, made in usable.items()}
    differing = [name for name in usable if difference[name].any()]
    worst = {name: int(quality[name].argmin()) for name in differing}
    shown = list(dict.fromkeys([*worst.values(), *range(len(reference))]))[: _columns(reference)]

    def row(name: str, images: NDArray[np.uint8]) -> Row:
        return [name, *(page_image(images[probe], f"{name}, probe {probe}") for probe in shown)]

    rows: dict[str, list[Row]] = {}
    for name, made in usable.items():
        rows[name] = [row(name, made)]
        if name in differing:
            factor = _amplification(difference[name])
            rows[name].append(row(f"difference ×\u00a0{factor}", _amplified(difference[name], factor)))
    first = row("PyTorch", reference)
    return PictureComparison(
        columns=["made by", *(f"probe {probe}" for probe in shown)],
        chosen=[first, *(row for name in rows if not chosen or name in chosen for row in rows[name])],
        all=[first, *(row for name in rows for row in rows[name])],
        identical=[name for name in usable if name not in differing],
        worst=[
            _worst_row(name, probe, probes, usable[name][probe], float(quality[name][probe]))
            for name, probe in worst.items()
        ],
        parted=[
            _worst_row(name, probe, probes, usable[name][probe], float(quality[name][probe]))
            for name, numbers in parted.items()
            if name in usable
            for probe in sorted(numbers, key=lambda number: quality[name][number])[:MOST_PROBES]
        ],
    )


def _worst_row(name: str, probe: int, probes: Probes, made: NDArray[np.uint8], psnr_db: float) -> Row:
    reference = probes.images[probe]
    difference = np.abs(reference.astype(np.int16) - made.astype(np.int16))
    factor = _amplification(difference)
    return [
        name,
        page_image(reference, f"PyTorch, probe {probe}"),
        page_image(made, f"{name}, probe {probe}"),
        page_image(_amplified(difference, factor), f"difference of {name}, probe {probe}"),
        number(psnr_db),
        str(factor),
        str(probe),
        in_words(probes.inputs, probe),
    ]


def _columns(reference: NDArray[np.uint8]) -> int:
    count, _, width, _ = reference.shape
    shown = width * max(1, round(SMALL_PICTURE_PIXELS / width))
    return min(count, MOST_PROBES, max(2, ROW_PIXELS // shown))


def _amplification(difference: NDArray[np.int16]) -> int:
    """The power of two, 1 to 128, that makes nearly the largest difference as bright as possible."""
    strong = max(1.0, float(np.percentile(difference, _VISIBLE_PERCENTILE)))
    return 2 ** max(0, math.floor(math.log2(255 / strong)))


def _amplified(difference: NDArray[np.int16], factor: int) -> NDArray[np.uint8]:
    """Differences as opaque pictures: a difference of alpha brightens all colours."""
    if difference.shape[-1] % 2 == 0:
        difference = np.maximum(difference[..., :-1], difference[..., -1:])
    return np.clip(difference.astype(np.int32) * factor, 0, 255).astype(np.uint8)
