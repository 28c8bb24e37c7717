"""Whether conditional samples show the requested class, and whether a classifier can learn from them."""

from __future__ import annotations

import numpy as np

from ....signature.fields import Role
from ...data.dataset import Dataset
from ..classifier import classes_of, classify, train_classifier
from ..context import EvaluationContext
from ..document import Figure
from .base import Measured, Part as BasePart

__all__ = ["Part"]


class Part(BasePart):
    """GAN-test and GAN-train (Shmelkov et al. 2018): trained on real pictures, tested on samples, and the reverse."""

    title = "Classes"
    position = 3

    def applies(self, context: EvaluationContext) -> bool:
        """Generators with a label, on data with classes."""
        return context.has(Role.LABEL) and classes_of(context.train) is not None

    def measure(self, context: EvaluationContext) -> Measured:
        """Both accuracies."""
        if context.net.info.task == "channels":
            return Measured((self._label_accuracy(context),))
        return Measured((self._label_accuracy(context), self._gan_train(context)))

    def _label_accuracy(self, context: EvaluationContext) -> Figure:
        requested, real = context.requested_labels, context.test.labels
        assert requested is not None
        assert real is not None
        return Figure(
            metric="label accuracy (GAN-test)",
            unit="share",
            value=context.sample_output.accuracy(requested),
            reference=context.test_output.accuracy(real),
            reference_of="test set",
            baseline=context.noise_output.accuracy(requested[: context.count]),
            baseline_of="noise",
            better="higher",
            n=context.samples,
        )

    def _gan_train(self, context: EvaluationContext) -> Figure:
        train, test = context.train, context.test
        assert test.labels is not None
        made = Dataset(
            train.name, train.licence, context.pictures, context.requested_labels, train.class_names
        )
        net = train_classifier(made, device=context.device)
        counts = np.bincount(test.labels)
        return Figure(
            metric="GAN-train accuracy",
            unit="share",
            value=classify(net, test.images, context.device).accuracy(test.labels),
            reference=context.test_output.accuracy(test.labels),
            reference_of=f"trained on the {len(train)} real images",
            baseline=float(counts.max() / len(test)),
            baseline_of="always the commonest class",
            better="higher",
            n=context.samples,
        )
