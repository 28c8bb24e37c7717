from dataclasses import replace

import pytest

from litho.errors import UsageError
from litho.training.evaluation.context import EvaluationContext, EvaluationSettings
from litho.training.evaluation.feature_net import FeatureNet

from .conftest import Copier, Split


def test_what_does_not_fit_the_generator_is_refused(digits: Split, digits_net: FeatureNet) -> None:
    generator = Copier(digits[1])
    larger = replace(digits[0], images=digits[0].images.repeat(2, 1).repeat(2, 2))
    with pytest.raises(UsageError, match=r"pictures of \(8, 8, 1\)"):
        EvaluationContext(
            generator, generator.signature(), larger, digits[1], digits_net, EvaluationSettings(10)
        )
    with pytest.raises(UsageError, match="field 'steps' cannot be set; allowed: none"):
        EvaluationContext(
            generator, generator.signature(), *digits, digits_net, EvaluationSettings(10, {"steps": 3})
        )
