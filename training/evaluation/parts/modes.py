"""Number of Stacked MNIST's 1,000 modes in the samples, and their distribution."""

from __future__ import annotations

from ....signature.fields import Role
from ...metrics.modes import MODE_SAMPLES, divergence, modes
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured, Part as BasePart

__all__ = ["Part"]


class Part(BasePart):
    """Modes and KL from 26,000 samples, the number that publications use."""

    title = "Modes"
    position = 4

    def applies(self, context: EvaluationContext) -> bool:
        """Generators of stacked digits that take no source image."""
        return context.net.info.task == "channels" and not context.has(Role.IMAGE)

    def measure(self, context: EvaluationContext) -> Measured:
        """Both figures; the reference is that of real pictures, classified by the feature net."""
        made = context.net.classify(context.make(context.draw(MODE_SAMPLES))).predicted
        real = context.train_output.predicted
        labels = context.train.labels
        assert labels is not None
        kinds = len(context.train.class_names)
        some = real[spread(min(MODE_SAMPLES, len(real)), len(real))]
        noise = context.noise_output.predicted
        counted = Figure(
            metric="modes",
            value=modes(made),
            reference=modes(some),
            reference_of="training set",
            baseline=modes(noise),
            baseline_of="noise",
            better="higher",
            n=MODE_SAMPLES,
        )
        apart = counted.model_copy(
            update={
                "metric": "KL to the real modes",
                "unit": "nats",
                "value": divergence(made, labels, kinds),
                "reference": divergence(some, labels, kinds),
                "baseline": divergence(noise, labels, kinds),
                "better": "lower",
            }
        )
        return Measured((counted, apart))
