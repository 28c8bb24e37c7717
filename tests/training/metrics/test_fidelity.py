import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.errors import EvaluationError
from litho.parity.metrics import IDENTICAL_PSNR_DB
from litho.training.metrics.fidelity import l1, psnr_db, ssim

WANTED = np.random.default_rng(0).integers(60, 190, (5, 16, 12, 3), dtype=np.uint8)


@given(st.integers(-60, 60).filter(bool))
def test_pictures_that_are_brighter_throughout(levels: int) -> None:
    made = (WANTED.astype(int) + levels).astype(np.uint8)
    assert l1(made, WANTED) == pytest.approx(abs(levels) / 255)
    assert psnr_db(made, WANTED) == pytest.approx(20 * math.log10(255 / abs(levels)))
    assert ssim(made, WANTED) < 1


def test_identical_pictures() -> None:
    assert l1(WANTED, WANTED) == 0
    assert psnr_db(WANTED, WANTED) == IDENTICAL_PSNR_DB
    assert ssim(WANTED, WANTED) == pytest.approx(1)


def test_only_what_is_inside_the_mask_counts() -> None:
    made, mask = WANTED.copy(), np.zeros(WANTED.shape[:3], bool)
    mask[:, 4:8, 2:6] = True
    made[:, 4:8, 2:6] += 51
    made[:, 0] = 0
    assert psnr_db(made, WANTED, mask) == pytest.approx(20 * math.log10(5))
    assert psnr_db(made, WANTED, ~mask) < psnr_db(made, made, ~mask)


def test_structure_that_is_lost_is_seen() -> None:
    noise = np.random.default_rng(1).permutation(WANTED.reshape(-1)).reshape(WANTED.shape)
    assert ssim(noise, WANTED) < 0.5


@pytest.mark.parametrize("measure", [l1, psnr_db, ssim])
@pytest.mark.parametrize("made", [WANTED[:0], WANTED[:4], WANTED[..., :1]], ids=["none", "fewer", "grey"])
def test_pictures_that_do_not_belong_together_are_refused(measure, made: np.ndarray) -> None:
    with pytest.raises(EvaluationError, match="cannot be compared"):
        measure(made, WANTED)


def test_an_empty_mask_and_a_picture_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(EvaluationError, match="empty on a picture"):
        psnr_db(WANTED, WANTED, np.zeros(WANTED.shape[:3], bool))
    with pytest.raises(EvaluationError, match="window of 11x11"):
        ssim(WANTED[:, :8], WANTED[:, :8])
