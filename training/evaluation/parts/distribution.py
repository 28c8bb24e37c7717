"""Distance between the distributions of samples and real pictures, in the feature net's features."""

from __future__ import annotations

from typing import Literal

from ....signature.fields import Role
from ...metrics.distance import frechet_distance, kernel_distance, manifold_metrics
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured, Part as BasePart

__all__ = ["Part"]


class Part(BasePart):
    """Distances to the training sample; neighbourhoods among as many of its images as there are samples.

    Every figure uses the same number of samples, test images and noise images.
    """

    title = "Distribution"
    position = 0

    def applies(self, context: EvaluationContext) -> bool:
        """Generators without a source image."""
        return not context.has(Role.IMAGE)

    def measure(self, context: EvaluationContext) -> Measured:
        """FD, KID, precision, recall, density and coverage."""
        count, all_real = context.count, context.train_output
        sets = (
            context.sample_output.features[:count],
            context.test_output.select(spread(count, len(context.test))).features,
            context.noise_output.features,
        )
        some_real = all_real.select(spread(count, len(all_real))).features
        alike = [manifold_metrics(some_real, features) for features in sets]
        name, real = context.net.info.name, all_real.features
        return Measured(
            (
                _figure(f"FD-{name}", "", "lower", count, [frechet_distance(real, each) for each in sets]),
                _figure(f"KID-{name}", "", "lower", count, [kernel_distance(real, each) for each in sets]),
                _figure("precision", "share", "higher", count, [each.precision for each in alike]),
                _figure("recall", "share", "higher", count, [each.recall for each in alike]),
                _figure("density", "", "higher", count, [each.density for each in alike]),
                _figure("coverage", "share", "higher", count, [each.coverage for each in alike]),
            )
        )


def _figure(
    metric: str, unit: str, better: Literal["lower", "higher"], count: int, values: list[float]
) -> Figure:
    value, reference, baseline = values
    return Figure(
        metric=metric,
        unit=unit,
        value=value,
        reference=reference,
        reference_of="test set",
        baseline=baseline,
        baseline_of="noise",
        better=better,
        n=count,
    )
