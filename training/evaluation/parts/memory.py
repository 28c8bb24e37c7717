"""Whether the generator memorises training images."""

from __future__ import annotations

import numpy as np

from ....errors import EvaluationError
from ....reporting import number, picture_grid
from ....signature.fields import Role
from ...metrics.distance import nearest
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured, Panel, Part as BasePart

__all__ = ["Part"]

NEIGHBOURS = 5
ROWS = 8
USUAL_SHARE = 0.05


class Part(BasePart):
    """The nearest training images of samples, beside those of test images, which cannot have been learned by heart."""

    title = "Nearest training images"
    position = 5

    def applies(self, context: EvaluationContext) -> bool:
        """Generators without a source image."""
        return not context.has(Role.IMAGE)

    def measure(self, context: EvaluationContext) -> Measured:
        """Share of samples that lie nearer to a training image than 95 % of the test images do."""
        count, train = context.count, context.train_output.features
        test = context.test_output.select(spread(count, len(context.test))).features
        real, _ = nearest(test, train)
        made, neighbours = nearest(context.sample_output.features[:count], train, min(NEIGHBOURS, len(train)))
        close = float(np.quantile(real.numpy(), USUAL_SHARE))
        if close <= 0:
            raise EvaluationError(
                "5 % or more of the test images are also training images; memorisation cannot be measured"
            )
        figure = Figure(
            metric="nearer to training images than 95 % of test images",
            unit="share",
            value=float((made[:, 0] < close).double().mean()),
            reference=float((real[:, 0] < close).double().mean()),
            reference_of="test set",
            baseline=1.0,  # the distance of a training image to itself is 0
            baseline_of="training set",
            better="lower",
            n=count,
        )
        # Show the samples nearest to a training image.
        rows = made[:, 0].argsort(stable=True)[:ROWS].numpy()
        shown = [
            np.stack([context.pictures[row], *context.train_sample.images[neighbours[row].numpy()]])
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
