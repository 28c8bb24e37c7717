"""Figures of a perfect generator of digits, and pairs of scenes."""

import pytest

from litho.training.data.sources import load, shapes
from litho.training.evaluation.context import EvaluationContext
from litho.training.evaluation.document import Figure
from litho.training.evaluation.evaluate import measure
from litho.training.evaluation.feature_net import FeatureNet, feature_net

from ..conftest import Copier, Split, context_of


def figures_of(context: EvaluationContext) -> dict[str, Figure]:
    sections, _ = measure(context)
    assert [section.failure for section in sections if section.failure] == []
    return {figure.metric: figure for section in sections for figure in section.figures}


@pytest.fixture(scope="session")
def perfect(digits: Split, digits_net: FeatureNet) -> dict[str, Figure]:
    return figures_of(context_of(Copier(digits[1]), digits, digits_net))


@pytest.fixture(scope="session")
def pairs() -> tuple[Split, FeatureNet]:
    """The first scenes of the set: to draw all 44,000, and their outlines, takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "TRAIN_COUNT", 300)
        patch.setattr(shapes, "TEST_COUNT", 60)
        some = load("shapes-pairs", resolution=16).split()
    return some, feature_net(*some)
