"""How many of Stacked MNIST's thousand modes are made, and how evenly."""

from __future__ import annotations

from ....signature.fields import Role
from ...metrics.modes import MODE_SAMPLES, divergence, modes
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured
from .base import Part as BasePart

__all__ = ["Part"]


class Part(BasePart):
    """Modes and KL from as many samples as in publications, whatever number the other figures take."""

    title = "Modes"
    position = 4

    def applies(self, subject: EvaluationContext) -> bool:
        """To stacked digits, made without being given any."""
        return subject.net.info.task == "channels" and not subject.has(Role.IMAGE)

    def measure(self, subject: EvaluationContext) -> Measured:
        """Both figures; the reference is that of real pictures, as the net reads them."""
        made = subject.net.describe(subject.make(subject.draw(MODE_SAMPLES))).predicted
        real = subject.train_output.predicted
        labels = subject.train.labels
        assert labels is not None
        kinds = len(subject.train.class_names)
        some = real[spread(min(MODE_SAMPLES, len(real)), len(real))]
        noise = subject.noise_output.predicted
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
