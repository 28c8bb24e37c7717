from litho.training.evaluation.feature_net import FeatureNet

from ..conftest import Copier, Split, context_of
from .conftest import figures_of


def test_training_images_given_back_are_noticed(digits: Split, digits_net: FeatureNet) -> None:
    learned = figures_of(context_of(Copier(digits[0], conditional=False), digits, digits_net))
    unseen = figures_of(context_of(Copier(digits[1], conditional=False), digits, digits_net))
    name = "nearer to training images than 95 % of test images"
    assert learned[name].value > 0.99
    assert unseen[name].value < 0.15
