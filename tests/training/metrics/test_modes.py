import math

import numpy as np
import pytest

from litho.errors import EvaluationError
from litho.training.metrics.modes import divergence, modes


def test_every_mode_evenly_has_no_divergence() -> None:
    every = np.arange(1000)
    assert modes(every) == 1000
    assert divergence(np.repeat(every, 3), every, 1000) == pytest.approx(0)


@pytest.mark.parametrize("made", [1, 10, 100])
def test_the_divergence_of_even_modes_is_the_logarithm_of_the_share(made: int) -> None:
    some = np.arange(made).repeat(5)
    assert modes(some) == made
    assert divergence(some, np.arange(1000), 1000) == pytest.approx(math.log(1000 / made))


def test_uneven_modes_diverge_although_all_are_there() -> None:
    uneven = np.concatenate([np.arange(10), np.zeros(90, int)])
    assert modes(uneven) == 10
    assert divergence(uneven, np.arange(10), 10) > 1


def test_a_mode_without_real_pictures_is_refused() -> None:
    with pytest.raises(EvaluationError, match="1 of 10 kinds have no real picture"):
        divergence(np.arange(10), np.arange(9), 10)
