"""How the samples as a whole are distributed beside real pictures, in the feature net's features."""

from __future__ import annotations

from typing import Literal

from ....signature.fields import Role
from ...metrics.distance import frechet_distance, kernel_distance, manifold_metrics
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured
from .base import Part as BasePart

__all__ = ["Part"]


class Part(BasePart):
    """Distances to the reference; neighbourhoods among as many of its images as there are samples.

    Of the samples, the test images and the noise, each figure takes the same number.
    """

    title = "Distribution"
    position = 0

    def applies(self, subject: EvaluationContext) -> bool:
        """To whatever makes pictures without being given any."""
        return not subject.has(Role.IMAGE)

    def measure(self, subject: EvaluationContext) -> Measured:
        """FD, KID, precision, recall, density and coverage."""
        count, all_real = subject.count, subject.train_output
        sets = (
            subject.sample_output.features[:count],
            subject.test_output.select(spread(count, len(subject.test))).features,
            subject.noise_output.features,
        )
        some_real = all_real.select(spread(count, len(all_real))).features
        alike = [manifold_metrics(some_real, features) for features in sets]
        name, real = subject.net.info.name, all_real.features
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
