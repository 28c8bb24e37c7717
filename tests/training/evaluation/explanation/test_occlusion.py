import numpy as np
import pytest
from numpy.typing import NDArray

from litho.training.evaluation.explanation.occlusion import Changes, difference, occlude


def test_each_cause_gets_the_change_without_it() -> None:
    # 20 causes, more than are tried at once; cause k moves pixel k by k grey levels.
    def changes(present: NDArray[np.bool_]) -> NDArray[np.float64]:
        maps = np.zeros((len(present), 4, 5))
        maps.reshape(len(present), 20)[:] = np.where(present, 0, np.arange(20))
        return maps

    found = occlude(20, changes)
    np.testing.assert_allclose(found.maps.reshape(20, 20), np.diag(np.arange(20.0)))
    np.testing.assert_allclose(found.means, np.arange(20) / 20)
    assert found.shares.sum() == pytest.approx(1)
    assert found.full_scale == 19


def test_shares_of_no_change_are_zero() -> None:
    assert Changes(np.zeros((3, 2, 2))).shares.tolist() == [0, 0, 0]


def test_the_difference_is_absolute_and_the_mean_of_the_channels() -> None:
    black, pink = np.zeros((2, 2, 3), np.uint8), np.full((1, 2, 2, 3), (250, 20, 30), np.uint8)
    assert difference(pink, black).tolist() == [[[100, 100], [100, 100]]]
    assert difference(black[None], pink[0]).tolist() == [[[100, 100], [100, 100]]]
