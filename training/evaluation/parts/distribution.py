"""How the samples as a whole are distributed beside real pictures, in the feature net's features."""

from __future__ import annotations

from ....signature import Role
from ..distance import frechet_distance, kernel_distance, likeness
from ..document import Figure
from ..subject import Subject, spread
from .base import Measured
from .base import Part as BasePart

__all__ = ["Part"]


class Part(BasePart):
    """Distances to all training images; neighbourhoods among as many of them as there are samples.

    Of the samples, the test images and the noise, each figure takes the same number.
    """

    title = "Distribution"
    position = 0

    def applies(self, subject: Subject) -> bool:
        """To whatever makes pictures without being given any."""
        return not subject.has(Role.IMAGE)

    def measure(self, subject: Subject) -> Measured:
        """FD, KID, precision, recall, density and coverage."""
        count, train = subject.count, subject.train_described
        sets = (
            subject.made.features[:count],
            subject.test_described.select(spread(count, len(subject.test))).features,
            subject.noise.features,
        )
        reference = train.select(spread(count, len(train))).features
        alike = [likeness(reference, features) for features in sets]
        net = subject.net.info.name
        figures = [
            self._figure(f"FD-{net}", "", count, [frechet_distance(train.features, each) for each in sets]),
            self._figure(f"KID-{net}", "", count, [kernel_distance(train.features, each) for each in sets]),
        ]
        for name, unit in (
            ("precision", "share"),
            ("recall", "share"),
            ("density", ""),
            ("coverage", "share"),
        ):
            figures.append(self._figure(name, unit, count, [getattr(each, name) for each in alike]))
        return Measured(tuple(figures))

    def _figure(self, metric: str, unit: str, count: int, values: list[float]) -> Figure:
        value, floor, ceiling = values
        return Figure(
            metric=metric,
            unit=unit,
            value=value,
            floor=floor,
            floor_of="test set",
            ceiling=ceiling,
            ceiling_of="noise",
            better="lower" if "D-" in metric else "higher",
            n=count,
        )
