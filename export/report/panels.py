"""Pictures of a report: every variant beside PyTorch, differences made visible, and the worst probe of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.probes import Probes
from ...parity.gate import peak_signal_to_noise_db
from ...reporting import SMALL_PICTURE_PIXELS, picture_grid, png

__all__ = ["Compared", "WorstProbe", "compare_pictures"]

MOST_PROBES = 8
ROW_PIXELS = 800
"""About as wide as a row of pictures can be shown on a page without being made smaller."""

_WORST_PIXELS = 130
"""About as wide is a picture of a worst probe."""

_VISIBLE_PERCENTILE = 99.9
"""The largest difference but for so few pixels is what becomes white."""

_LONGEST_TEXT = 40


@dataclass(frozen=True)
class WorstProbe:
    """The probe that a variant's picture is worst of.

    Args:
        variant: short name of it.
        probe: number of the probe.
        inputs: what the picture was made from, in words.
        psnr_db: of the picture.
        amplification: factor of the difference in the panel.
        panel: PNG of PyTorch's picture, the variant's and the difference.
    """

    variant: str
    probe: int
    inputs: str
    psnr_db: float
    amplification: int
    panel: bytes


@dataclass(frozen=True)
class Compared:
    """What a report shows of the probes.

    Args:
        panel: PNG with a row of PyTorch's pictures, and of every variant a row of its own and one of differences.
        identical: short names of variants whose pictures are PyTorch's; they have no row of differences.
        worst: of every other variant.
    """

    panel: bytes
    identical: tuple[str, ...]
    worst: tuple[WorstProbe, ...]


def compare_pictures(probes: Probes, pictures: Mapping[str, NDArray[np.uint8]]) -> Compared:
    """Pictures side by side; in every row those of the same probes, each variant's worst among them.

    Args:
        probes: with PyTorch's pictures.
        pictures: short name of a variant -> its pictures of all probes.
    """
    reference = probes.images
    # A variant may have made something of another shape: it failed, and has nothing to be laid beside.
    usable = {name: made for name, made in pictures.items() if made.shape == reference.shape}
    difference = {
        name: np.abs(reference.astype(np.int16) - made.astype(np.int16)) for name, made in usable.items()
    }
    quality = {name: peak_signal_to_noise_db(values) for name, values in difference.items()}
    differing = [name for name in usable if difference[name].any()]
    worst = [int(quality[name].argmin()) for name in differing]
    shown = list(dict.fromkeys([*worst, *range(len(reference))]))[: _columns(reference)]
    rows, names = [reference[shown]], ["PyTorch"]
    for name, made in usable.items():
        rows.append(made[shown])
        names.append(name)
        if name in differing:
            factor = _amplification(difference[name])
            rows.append(_amplified(difference[name][shown], factor))
            names.append(f"difference {factor}x")
    grid = picture_grid(
        np.concatenate(rows),
        columns=len(shown),
        row_names=names,
        column_names=[f"probe {probe}" for probe in shown],
    )
    panels = [
        _worst_probe(name, probe, probes, usable[name], difference[name], float(quality[name][probe]))
        for name, probe in zip(differing, worst, strict=True)
    ]
    return Compared(png(grid), tuple(name for name in usable if name not in differing), tuple(panels))


def _worst_probe(
    name: str,
    probe: int,
    probes: Probes,
    made: NDArray[np.uint8],
    difference: NDArray[np.int16],
    psnr_db: float,
) -> WorstProbe:
    factor = _amplification(difference[probe])
    trio = np.stack([probes.images[probe], made[probe], _amplified(difference[probe], factor)])
    width = probes.images.shape[2]
    panel = picture_grid(
        trio,
        columns=3,
        magnify=max(1, round(_WORST_PIXELS / width)),
        column_names=["PyTorch", "variant", "difference"],
    )
    return WorstProbe(name, probe, _inputs_words(probes.inputs, probe), psnr_db, factor, png(panel))


def _columns(reference: NDArray[np.uint8]) -> int:
    count, _, width, _ = reference.shape
    shown = width * max(1, round(SMALL_PICTURE_PIXELS / width))
    return min(count, MOST_PROBES, max(2, ROW_PIXELS // shown))


def _amplification(difference: NDArray[np.int16]) -> int:
    """The power of two, 1 to 128, that makes nearly the largest difference as bright as can be."""
    strong = max(1.0, float(np.percentile(difference, _VISIBLE_PERCENTILE)))
    return 2 ** max(0, math.floor(math.log2(255 / strong)))


def _amplified(difference: NDArray[np.int16], factor: int) -> NDArray[np.uint8]:
    return np.clip(difference.astype(np.int32) * factor, 0, 255).astype(np.uint8)


def _inputs_words(inputs: Mapping[str, NDArray[Any]], probe: int) -> str:
    """The inputs of one probe, as far as they can be said."""
    words = []
    for name, values in inputs.items():
        value = values[probe]
        if isinstance(value, str):
            cut = value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}…"
            words.append(f"{name} “{cut}”")
        elif np.ndim(value) == 0:
            words.append(f"{name} {value:g}" if np.asarray(value).dtype.kind == "f" else f"{name} {value}")
    return ", ".join(words)
