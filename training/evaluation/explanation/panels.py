"""An explanation on the page of an evaluation: its figures and pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....bundle.explanation import Attribution, Example, Explanation
from ....reporting import picture_grid
from ...networks.image_to_image import side_by_side
from ..document import Figure
from ..parts import Measured, Panel
from .strips import MEASURED_SEEDS

__all__ = ["PART", "TITLE", "agreement", "measured"]

PART = "explanation"
TITLE = "What the pictures hang on"
MOST_LETTERS = 12


def measured(explanation: Explanation, files: Mapping[str, bytes]) -> Measured:
    """Figures and pictures of an explanation.

    Args:
        explanation: the document.
        files: content of its PNG files, by name.
    """
    shown = _Shown(files)
    words, labels, sources = (
        [one for one in explanation.examples if one.kind == kind] for kind in ("words", "label", "source")
    )
    panels = [shown.words(example) for example in words]
    panels += [shown.labels(labels)] if labels else []
    panels += [shown.sources(sources)] if sources else []
    panels += [shown.directions(explanation, method) for method in _methods(explanation)]
    return Measured((*_of_words(words), *_of_directions(explanation)), tuple(panels))


def agreement(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation of two series of at least two values, -1 to 1; 0 if one does not vary."""
    if min(np.ptp(first), np.ptp(second)) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each value, from 0; equal ones share the mean of theirs."""
    above = values[:, None] > values
    equal = values[:, None] == values
    return above.sum(1) + (equal.sum(1) - 1) / 2


def _shares(attribution: Attribution) -> NDArray[np.float64]:
    return np.array([cause.share for cause in attribution.causes])


def _of_words(words: list[Example]) -> tuple[Figure, ...]:
    found = [
        agreement(*map(_shares, example.attributions))
        for example in words
        if len(example.attributions) == 2 and len(example.attributions[0].causes) > 1
    ]
    if not found:
        return ()
    return (
        Figure(
            metric="rank correlation of occlusion and integrated gradients, words",
            value=float(np.mean(found)),
            baseline=0.0,
            baseline_of="chance",
            better="higher",
            n=len(found),
        ),
    )


def _of_directions(explanation: Explanation) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            metric=f"change along {_TITLES[method]} directions",
            unit="grey levels",
            value=float(np.mean([one.change for one in explanation.directions if one.method == method])),
            baseline=explanation.directions[0].random_change,
            baseline_of="random directions",
            better="higher",
            n=MEASURED_SEEDS,
        )
        for method in _methods(explanation)
    )


_TITLES = {"ganspace": "GANSpace", "sefa": "SeFa"}


def _methods(explanation: Explanation) -> list[str]:
    return list(dict.fromkeys(one.method for one in explanation.directions))


class _Shown:
    """Makes the panels from the files."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def words(self, example: Example) -> Panel:
        occlusion, *others = example.attributions
        pictures = [
            self._open(example.made),
            *(self._open(cause.map or example.made) for cause in occlusion.causes),
        ]
        grid = picture_grid(
            np.stack(pictures),
            columns=len(pictures),
            column_names=["picture", *(_short(cause.name) for cause in occlusion.causes)],
        )
        shares = [f"{cause.name} {cause.share:.0%}" for cause in occlusion.causes]
        caption = (
            f"Where {_inputs(example)} changes without each word. Shares by occlusion: {', '.join(shares)}."
        )
        for one in others:
            shares = [f"{cause.name} {cause.share:.0%}" for cause in one.causes]
            caption += f" By integrated gradients: {', '.join(shares)}."
        return Panel(grid, caption)

    def labels(self, examples: list[Example]) -> Panel:
        rows = [
            [
                self._open(example.made),
                *(self._open(cause.map or "") for cause in example.attributions[0].causes),
            ]
            for example in examples
        ]
        shares = [
            np.mean([_shares(example.attributions[index])[0] for example in examples]) for index in (0, 1)
        ]
        grid = picture_grid(
            np.stack([picture for row in rows for picture in row]),
            columns=len(rows[0]),
            row_names=[example.name.replace("-", " ") for example in examples],
            column_names=["picture", "label", "seed"],
        )
        return Panel(
            grid,
            "Where a picture changes with another label, and with another seed. The label's share is"
            f" {shares[0]:.0%} by occlusion and {shares[1]:.0%} by integrated gradients, the mean over these.",
        )

    def sources(self, examples: list[Example]) -> Panel:
        columns: dict[str, list[NDArray[np.uint8]]] = {}
        for example in examples:
            occlusion, gradients = example.attributions
            found = {
                **example.images,
                "occlusion": occlusion.heat or "",
                "gradients": gradients.heat or "",
                "made": example.made,
            }
            for heading, name in found.items():
                columns.setdefault(heading, []).append(self._open(name))
        grid = side_by_side({heading: np.stack(pictures) for heading, pictures in columns.items()})
        return Panel(
            grid,
            "Bright are the source's pixels that much hangs on: of the whole picture by occlusion, of the hole or the"
            " most detailed region by integrated gradients.",
        )

    def directions(self, explanation: Explanation, method: str) -> Panel:
        chosen = [one for one in explanation.directions if one.method == method]
        height = self._open(explanation.starting_points[0].made).shape[0]
        # The first row of each strip is that of the first starting point.
        rows = [np.split(self._open(one.strip)[:height], len(one.amounts), axis=1) for one in chosen]
        grid = picture_grid(
            np.stack([picture for row in rows for picture in row]),
            columns=len(chosen[0].amounts),
            row_names=[" ".join(filter(None, (one.name, one.describes))) for one in chosen],
            column_names=[f"{amount:+g}" if amount else "0" for amount in chosen[0].amounts],
        )
        return Panel(grid, f"Directions of the latent space by {_TITLES[method]}, from seed 0.")

    def _open(self, name: str) -> NDArray[np.uint8]:
        return np.asarray(Image.open(io.BytesIO(self._files[name])).convert("RGB"))


def _inputs(example: Example) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in example.inputs.items())


def _short(word: str) -> str:
    return word if len(word) <= MOST_LETTERS else f"{word[: MOST_LETTERS - 1]}…"
