import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.bundle.manifest import Figure
from litho.export.precisions import precision
from litho.parity.gate import Gate, compare, judge
from litho.parity.metrics import IDENTICAL_PSNR_DB

FP32 = precision("fp32").gate

REFERENCE = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)


def changed(share: float, levels: int) -> np.ndarray:
    """The reference with a share of its pixels moved by some grey levels, towards the middle of the range."""
    pictures = REFERENCE.astype(np.int16)
    flat = pictures.reshape(-1)
    count = round(share * flat.size)
    flat[:count] += np.where(flat[:count] < 128, levels, -levels)
    return pictures.astype(np.uint8)


def test_identical_pictures_pass_with_the_largest_psnr() -> None:
    verdict = judge([REFERENCE, REFERENCE.copy()], REFERENCE, FP32)
    assert verdict.status == "passed"
    assert [figure.value for figure in verdict.figures] == [0, 1, IDENTICAL_PSNR_DB, IDENTICAL_PSNR_DB, 1, 0]


@pytest.mark.parametrize(
    ("share", "levels", "status", "reason"),
    [
        (0.0009, 1, "passed", ""),
        (0.002, 1, "failed", "identical pixels"),
        (0.0009, 2, "failed", r"a pixel is 2 grey levels off \(max difference; allowed is at most 1\)"),
    ],
)
def test_fp32_allows_one_grey_level_in_a_thousandth_of_the_pixels(
    share: float, levels: int, status: str, reason: str
) -> None:
    verdict = judge([changed(share, levels)], REFERENCE, FP32)
    assert verdict.status == status
    assert pytest.approx(share, abs=1e-3) == 1 - (verdict.figures[1].value or 0)
    assert re.search(reason, verdict.reason)


def test_the_worst_replay_decides() -> None:
    assert judge([REFERENCE, changed(0.5, 9)], REFERENCE, FP32).status == "failed"
    assert judge([changed(0.5, 9), REFERENCE], REFERENCE, FP32).figures[0].value == 9


def test_a_picture_of_another_size_counts_as_well() -> None:
    small = REFERENCE[:2, :8, :8]
    sizes = [(small, small), (changed(0.5, 9)[:2, :8, :8], small)]
    assert judge([REFERENCE], REFERENCE, FP32, sizes=sizes[:1]).status == "passed"
    verdict = judge([REFERENCE], REFERENCE, FP32, sizes=sizes)
    assert verdict.status == "failed"
    assert verdict.figures[0].value == 9


@pytest.mark.parametrize(
    "pictures",
    [REFERENCE[:4], REFERENCE[:0], REFERENCE.astype(np.float32), REFERENCE[..., :1]],
    ids=["too few", "empty", "float", "fewer channels"],
)
def test_what_cannot_be_compared_fails(pictures: np.ndarray) -> None:
    verdict = judge([pictures], REFERENCE, FP32)
    assert verdict.status == "failed"
    assert "could not be computed" in verdict.reason


def test_no_replay_is_a_failure() -> None:
    assert judge([], REFERENCE, FP32).status == "failed"


@pytest.mark.parametrize("fault", ["shuffled", "inverted", "shifted range", "flipped"])
def test_planted_faults_are_caught(fault: str) -> None:
    pictures = {
        "shuffled": np.roll(REFERENCE, 1, axis=0),
        "inverted": 255 - REFERENCE,
        "shifted range": np.clip(REFERENCE.astype(np.int16) + 1, 0, 255).astype(np.uint8),
        "flipped": REFERENCE[:, :, ::-1],
    }[fault]
    assert judge([pictures], REFERENCE, FP32).status == "failed"


@given(st.floats(1e-3, 1), st.integers(1, 100))
def test_psnr_follows_its_definition(share: float, levels: int) -> None:
    figures = compare(changed(share, levels), REFERENCE, Gate())
    difference = changed(share, levels).astype(float) - REFERENCE
    squared = np.mean(difference**2, axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        psnr = np.minimum(10 * np.log10(255**2 / squared), IDENTICAL_PSNR_DB)
    assert figures[2].value == pytest.approx(psnr.min())
    assert figures[3].value == pytest.approx(psnr.mean())


def test_a_figure_measured_elsewhere_counts() -> None:
    missing = Figure(metric="FD ratio", value=None, at_most=1.05)
    verdict = judge([REFERENCE], REFERENCE, FP32, [missing])
    assert verdict.status == "failed"
    assert "FD ratio could not be computed" in verdict.reason


def test_errors_that_cancel_are_no_shift_and_a_brighter_picture_is() -> None:
    rounded = changed(1.0, 3)  # towards the middle: up and down about as often
    up = np.where(REFERENCE < 255, REFERENCE + 1, 255).astype(np.uint8)
    gate = Gate(shift_levels=0.5)
    assert judge([rounded], REFERENCE, gate).status == "passed"
    assert "too bright or too dark" in judge([up], REFERENCE, gate).reason
