import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.bundle.manifest import Figure
from litho.export.precisions import precision
from litho.parity.gate import Gate, Replay, compare, judge
from litho.parity.metrics import IDENTICAL_PSNR_DB

FP32 = precision("fp32").gate

REFERENCE = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)


def replays(*pictures: np.ndarray) -> list[Replay]:
    """Replays of the usual probes, at batches 1, 2 and so on."""
    return [Replay(made, REFERENCE, batch) for batch, made in enumerate(pictures, 1)]


def changed(share: float, levels: int) -> np.ndarray:
    """The reference with a share of its pixels moved by some grey levels, towards the middle of the range."""
    pictures = REFERENCE.astype(np.int16)
    flat = pictures.reshape(-1)
    count = round(share * flat.size)
    flat[:count] += np.where(flat[:count] < 128, levels, -levels)
    return pictures.astype(np.uint8)


def test_identical_pictures_pass_with_the_largest_psnr() -> None:
    verdict = judge(replays(REFERENCE, REFERENCE.copy()), FP32)
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
    verdict = judge(replays(changed(share, levels)), FP32)
    assert verdict.status == status
    assert pytest.approx(share, abs=1e-3) == 1 - (verdict.figures[1].value or 0)
    assert re.search(reason, verdict.reason)


def test_the_worst_replay_decides() -> None:
    assert judge(replays(REFERENCE, changed(0.5, 9)), FP32).status == "failed"
    assert judge(replays(changed(0.5, 9), REFERENCE), FP32).figures[0].value == 9


def test_a_further_bank_counts_with_figures_of_its_own() -> None:
    small = REFERENCE[:2, :8, :8]
    right = Replay(small, small, 2, "size 8x8")
    wrong = Replay(changed(0.5, 9)[:2, :8, :8], small, 2, "size 4x8")
    assert judge([*replays(REFERENCE), right], FP32).status == "passed"
    verdict = judge([*replays(REFERENCE), right, wrong], FP32)
    assert verdict.status == "failed"
    assert verdict.reason.startswith("size 4x8: a pixel is 9 grey levels off")
    assert {(figure.bank, figure.value) for figure in verdict.figures if figure.metric.startswith("max")} == {
        ("", 0),
        ("size 8x8", 0),
        ("size 4x8", 9),
    }


def test_the_batches_that_fail_are_named_unless_all_do() -> None:
    wrong = changed(0.5, 9)
    assert judge(replays(REFERENCE, wrong, REFERENCE), FP32).reason.count(", only at batch 2") == 2
    assert ", only at batch 1 and 3" in judge(replays(wrong, REFERENCE, wrong), FP32).reason
    assert "only at" not in judge(replays(wrong, wrong), FP32).reason


def test_a_shift_is_not_judged_of_the_few_pictures_of_a_further_bank() -> None:
    up = np.where(REFERENCE < 255, REFERENCE + 1, 255).astype(np.uint8)
    gate = Gate(shift_levels=0.5)
    assert judge([*replays(REFERENCE), Replay(up, REFERENCE, 1, "labels")], gate).status == "passed"
    assert judge(replays(REFERENCE, up), gate).status == "failed"


@pytest.mark.parametrize(
    "pictures",
    [REFERENCE[:4], REFERENCE[:0], REFERENCE.astype(np.float32), REFERENCE[..., :1]],
    ids=["too few", "empty", "float", "fewer channels"],
)
def test_what_cannot_be_compared_fails(pictures: np.ndarray) -> None:
    verdict = judge(replays(pictures), FP32)
    assert verdict.status == "failed"
    assert "could not be computed" in verdict.reason


def test_no_replay_is_a_failure() -> None:
    assert judge([], FP32).status == "failed"


@pytest.mark.parametrize("fault", ["shuffled", "inverted", "shifted range", "flipped"])
def test_planted_faults_are_caught(fault: str) -> None:
    pictures = {
        "shuffled": np.roll(REFERENCE, 1, axis=0),
        "inverted": 255 - REFERENCE,
        "shifted range": np.clip(REFERENCE.astype(np.int16) + 1, 0, 255).astype(np.uint8),
        "flipped": REFERENCE[:, :, ::-1],
    }[fault]
    assert judge(replays(pictures), FP32).status == "failed"


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
    verdict = judge(replays(REFERENCE), FP32, [missing])
    assert verdict.status == "failed"
    assert "FD ratio could not be computed" in verdict.reason


def test_errors_that_cancel_are_no_shift_and_a_brighter_picture_is() -> None:
    rounded = changed(1.0, 3)  # towards the middle: up and down about as often
    up = np.where(REFERENCE < 255, REFERENCE + 1, 255).astype(np.uint8)
    gate = Gate(shift_levels=0.5)
    assert judge(replays(rounded), gate).status == "passed"
    assert "too bright or too dark" in judge(replays(up), gate).reason
