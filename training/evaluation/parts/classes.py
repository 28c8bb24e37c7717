"""Whether conditional samples show the class that they were asked for, and whether they teach a classifier."""

from __future__ import annotations

import numpy as np

from ....signature.fields import Role
from ...data.dataset import Dataset
from ..classifier import classes_of, describe, train_classifier
from ..context import EvaluationContext
from ..document import Figure
from .base import Measured
from .base import Part as BasePart

__all__ = ["Part"]


class Part(BasePart):
    """GAN-test and GAN-train (Shmelkov et al. 2018): a classifier of real pictures judges samples, and the reverse."""

    title = "Classes"
    position = 3

    def applies(self, subject: EvaluationContext) -> bool:
        """To whatever takes a class, where the data has them."""
        return subject.has(Role.LABEL) and classes_of(subject.train) is not None

    def measure(self, subject: EvaluationContext) -> Measured:
        """Both accuracies."""
        if subject.net.info.task == "channels":
            return Measured((self._label_accuracy(subject),))
        return Measured((self._label_accuracy(subject), self._gan_train(subject)))

    def _label_accuracy(self, subject: EvaluationContext) -> Figure:
        asked, real = subject.asked, subject.test.labels
        assert asked is not None
        assert real is not None
        return Figure(
            metric="label accuracy (GAN-test)",
            unit="share",
            value=subject.sample_output.accuracy(asked),
            reference=subject.test_output.accuracy(real),
            reference_of="test set",
            baseline=subject.noise_output.accuracy(asked[: subject.count]),
            baseline_of="noise",
            better="higher",
            n=subject.samples,
        )

    def _gan_train(self, subject: EvaluationContext) -> Figure:
        train, test = subject.train, subject.test
        assert test.labels is not None
        made = Dataset(train.name, train.licence, subject.pictures, subject.asked, train.class_names)
        net = train_classifier(made, device=subject.device)
        counts = np.bincount(test.labels)
        return Figure(
            metric="GAN-train accuracy",
            unit="share",
            value=describe(net, test.images, subject.device).accuracy(test.labels),
            reference=subject.test_output.accuracy(test.labels),
            reference_of=f"trained on the {len(train)} real images",
            baseline=float(counts.max() / len(test)),
            baseline_of="always the commonest class",
            better="higher",
            n=subject.samples,
        )
