from litho.training.evaluation.feature_net import FeatureNet

from ..conftest import Copier, Split, context_of
from .conftest import figures_of


def test_labels_that_are_one_off_are_all_wrong(digits: Split, digits_net: FeatureNet, perfect: dict) -> None:
    shifted = figures_of(context_of(Copier(digits[1], shift=1), digits, digits_net))
    assert perfect["label accuracy (GAN-test)"].value > 0.9
    assert shifted["label accuracy (GAN-test)"].value < 0.1
    assert perfect["GAN-train accuracy"].value > 0.8
    assert shifted["GAN-train accuracy"].value < 0.2
