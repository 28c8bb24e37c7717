"""Whether the generator gives training images back."""

from __future__ import annotations

import numpy as np

from ....errors import EvaluationError
from ....reporting import number, picture_grid
from ....signature.fields import Role
from ...metrics.distance import nearest
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured, Panel
from .base import Part as BasePart

__all__ = ["Part"]

NEIGHBOURS = 5
ROWS = 8
USUAL_SHARE = 0.05


class Part(BasePart):
    """The nearest training images of samples, beside those of test images, which cannot have been learned by heart."""

    title = "Nearest training images"
    position = 5

    def applies(self, subject: EvaluationContext) -> bool:
        """To whatever makes pictures without being given any."""
        return not subject.has(Role.IMAGE)

    def measure(self, subject: EvaluationContext) -> Measured:
        """The share of samples that lie nearer to a training image than all but 5 % of the test images do."""
        count, train = subject.count, subject.train_output.features
        test = subject.test_output.select(spread(count, len(subject.test))).features
        real, _ = nearest(test, train)
        made, neighbours = nearest(subject.sample_output.features[:count], train, min(NEIGHBOURS, len(train)))
        close = float(np.quantile(real.numpy(), USUAL_SHARE))
        if close <= 0:
            raise EvaluationError(
                "5 % or more of the test images are training images, so that nothing can be told"
            )
        figure = Figure(
            metric="nearer to training images than 95 % of test images",
            unit="share",
            value=float((made[:, 0] < close).double().mean()),
            reference=float((real[:, 0] < close).double().mean()),
            reference_of="test set",
            baseline=1.0,  # a training image lies at no distance from itself
            baseline_of="training set",
            better="lower",
            n=count,
        )
        # The most suspicious ones: those that lie nearest.
        rows = made[:, 0].argsort(stable=True)[:ROWS].numpy()
        shown = [
            np.stack([subject.pictures[row], *subject.train_sample.images[neighbours[row].numpy()]])
            for row in rows
        ]
        grid = picture_grid(
            np.concatenate(shown),
            columns=1 + neighbours.shape[1],
            row_names=[number(float(made[row, 0])) for row in rows],
            column_names=["sample", *(f"nearest {rank + 1}" for rank in range(neighbours.shape[1]))],
        )
        caption = (
            f"The {len(rows)} samples of {count} that lie nearest to a training image, with their feature distance;"
            f" the median is {number(float(made[:, 0].median()))}, that of test images {number(float(real.median()))}."
        )
        return Measured((figure,), (Panel(grid, caption),))
