from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from litho.training.evaluation.classifier import Classifier
from litho.training.evaluation.context import EvaluationContext
from litho.training.evaluation.feature_net import FeatureNet
from litho.training.models import family

from ..conftest import Split, context_of


def untrained_net(channels: int) -> FeatureNet:
    """A feature net that has learned nothing: explanations need one only to say whether classes are kept."""
    torch.manual_seed(0)
    info = cast("Any", SimpleNamespace(task="classes"))
    return FeatureNet(Classifier(channels, 10).eval(), info, "cpu")


@pytest.fixture(scope="package")
def conditional(digits: Split) -> EvaluationContext:
    """An untrained generator of digits by class, whose classes are made to differ."""
    torch.manual_seed(0)
    generator = family("cgan").generator(resolution=8, width=8, latent_size=8).eval()
    with torch.no_grad():
        for weight in generator.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3)
    return context_of(generator.requires_grad_(False), digits, untrained_net(1), samples=20)
