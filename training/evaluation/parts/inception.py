"""FID and IS proper, where the Inception network is at hand."""

from __future__ import annotations

from ....signature.fields import Role
from ...metrics.distance import frechet_distance
from ..context import EvaluationContext
from ..document import Figure
from ..inception import inception_score
from .base import Measured
from .base import Part as BasePart

__all__ = ["Part"]


class Part(BasePart):
    """Of all samples: FID against all training images (Heusel et al. 2017), IS of the samples alone.

    Published figures are of 50,000 samples; both depend on how many there are.
    """

    title = "Inception"
    position = 1

    def applies(self, subject: EvaluationContext) -> bool:
        """To whatever makes pictures without being given any, with `litho evaluate --inception`."""
        return subject.inception is not None and not subject.has(Role.IMAGE)

    def measure(self, subject: EvaluationContext) -> Measured:
        """FID beside that of the test images, IS beside that of the training images."""
        network = subject.inception
        assert network is not None
        real = network.features(subject.train_sample.images)
        distance = Figure(
            metric="FID",
            value=frechet_distance(real, network.features(subject.pictures)),
            reference=frechet_distance(real, network.features(subject.test.images)),
            reference_of=f"the {len(subject.test)} test images",
            better="lower",
            n=subject.samples,
        )
        score = Figure(
            metric="IS",
            value=inception_score(network.probabilities(subject.pictures)),
            reference=inception_score(network.probabilities(subject.train_sample.images)),
            reference_of="training images",
            better="higher",
            n=subject.samples,
        )
        return Measured((distance, score))
