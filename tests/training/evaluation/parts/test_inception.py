from pathlib import Path

from litho.training.evaluation.evaluate import measure
from litho.training.evaluation.feature_net import FeatureNet
from litho.training.evaluation.inception import Inception

from ..conftest import Copier, Split, context_of


def test_fid_and_is_stand_beside_those_of_real_pictures(
    inception_file: Path, digits: Split, digits_net: FeatureNet
) -> None:
    context = context_of(Copier(digits[1]), digits, digits_net, inception=Inception(inception_file))
    sections, _ = measure(context)
    (section,) = [section for section in sections if section.part == "inception"]
    distance, score = section.figures
    assert distance.reference is not None
    assert score.reference is not None
    assert distance.metric == "FID"
    assert abs(distance.value - distance.reference) < 0.1
    assert score.metric == "IS"
    assert 1 < score.value < 12


def test_without_the_network_neither_is_measured(digits: Split, digits_net: FeatureNet) -> None:
    sections, _ = measure(context_of(Copier(digits[1]), digits, digits_net))
    assert "inception" not in [section.part for section in sections]
