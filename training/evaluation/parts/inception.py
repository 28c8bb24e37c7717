"""FID and IS, with the Inception network that defines them."""

from __future__ import annotations

from ....signature.fields import Role
from ...metrics.distance import frechet_distance
from ..context import EvaluationContext
from ..document import Figure
from ..inception import inception_score
from .base import Measured, Part as BasePart

__all__ = ["Part"]


class Part(BasePart):
    """FID of all samples against all training images (Heusel et al. 2017), IS of the samples alone.

    Both depend on the number of samples; published figures use 50,000.
    """

    title = "Inception"
    position = 1

    def applies(self, context: EvaluationContext) -> bool:
        """Generators without a source image, with `litho evaluate --inception`."""
        return context.inception is not None and not context.has(Role.IMAGE)

    def measure(self, context: EvaluationContext) -> Measured:
        """FID with that of the test images as reference, IS with that of the training images."""
        network = context.inception
        assert network is not None
        real = network.features(context.train_sample.images)
        distance = Figure(
            metric="FID",
            value=frechet_distance(real, network.features(context.pictures)),
            reference=frechet_distance(real, network.features(context.test.images)),
            reference_of=f"the {len(context.test)} test images",
            better="lower",
            n=context.samples,
        )
        score = Figure(
            metric="IS",
            value=inception_score(network.probabilities(context.pictures)),
            reference=inception_score(network.probabilities(context.train_sample.images)),
            reference_of="training images",
            better="higher",
            n=context.samples,
        )
        return Measured((distance, score))
