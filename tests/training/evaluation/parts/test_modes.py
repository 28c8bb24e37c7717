import numpy as np
import pytest

from litho.training.data.sources.stacked_mnist import stacked
from litho.training.evaluation.feature_net import feature_net

from ..conftest import Copier, Split, context_of
from .conftest import figures_of


@pytest.fixture(scope="module")
def thousand(digits: Split) -> Split:
    train, test = digits
    return stacked("stacked", train, 8_000, seed=0), stacked("stacked", test, 1_000, seed=1)


@pytest.mark.slow
def test_modes_of_stacked_digits(thousand: Split) -> None:
    # Of 20,000 single digits at least it learns in any case: more of them do not make it better here.
    net = feature_net(thousand[0].select(np.arange(3_000)), thousand[1])
    assert net.info.task == "channels"
    assert thousand[0].labels is not None
    every = figures_of(context_of(Copier(thousand[0], conditional=False), thousand, net))
    some = thousand[0].select(np.flatnonzero(thousand[0].labels < 100))
    tenth = figures_of(context_of(Copier(some, conditional=False), thousand, net))
    assert every["modes"].n == 26_000
    assert every["modes"].value > 990
    assert every["KL to the real modes"].value < 0.1
    assert 100 <= tenth["modes"].value < 300
    assert tenth["KL to the real modes"].value == pytest.approx(np.log(10), abs=0.3)
