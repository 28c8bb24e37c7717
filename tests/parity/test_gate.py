import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.bundle.manifest import Figure, Manifest, Variant, Verdict
from litho.export.precisions import precision
from litho.parity.gate import SHARE, Gate, Replay, compare, grade_of, judge
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


def test_banks_that_fail_with_the_usual_probes_are_only_named() -> None:
    wrong = changed(0.5, 9)
    banks = [Replay(wrong, REFERENCE, 8, name) for name in ("seeds", "labels")]
    one, both = judge([*replays(wrong), banks[0]], FP32), judge([*replays(wrong), *banks], FP32)
    assert one.reason.endswith("; bank seeds too")
    assert both.reason.endswith("; banks seeds and labels too")
    assert both.reason.count("grey levels off") == 1
    alone = judge([*replays(REFERENCE), *banks], FP32).reason
    assert alone.startswith("seeds: a pixel is 9")
    assert "labels: a pixel is 9" in alone


def test_a_part_that_passes_says_nothing_of_its_batch() -> None:
    wrong = REFERENCE.copy()
    wrong[5] ^= 255
    part = Replay(REFERENCE[:2], REFERENCE[:2], 2, numbers=(0, 1))
    assert "only at" not in judge([*replays(wrong), part], FP32).reason


def test_the_batches_that_fail_are_named_unless_all_do() -> None:
    wrong = changed(0.5, 9)
    assert judge(replays(REFERENCE, wrong, REFERENCE), FP32).reason.count(", only at batch 2") == 2
    assert ", only at batch 1 and 3" in judge(replays(wrong, REFERENCE, wrong), FP32).reason
    assert "only at" not in judge(replays(wrong, wrong), FP32).reason


@pytest.mark.parametrize("levels", [60, -60])
def test_the_means_of_a_part_are_those_of_all_with_what_its_batch_changes(levels: int) -> None:
    """Probes 2 and 3 are worse than others at every batch; at batch 2 nothing changes, at batch 3 the light does."""
    pictures, far = changed(0.5, 9), changed(1.0, 40)
    pictures[2:4] = far[2:4]
    whole, rows = Replay(pictures, REFERENCE, 8), (2, 3)
    mean, shift = (
        figure.value
        for figure in judge([whole], Gate()).figures
        if "mean" in figure.metric and "SSIM" not in figure.metric
    )
    assert mean is not None
    assert shift is not None
    gate = Gate(mean_psnr_db=mean - 1e-9, shift_levels=abs(shift) + 1e-9)
    same = Replay(pictures[[*rows]], REFERENCE[[*rows]], 2, numbers=rows)
    assert judge([whole, same], gate).status == "passed"
    other = np.clip(pictures[[*rows]].astype(int) + levels, 0, 255).astype(np.uint8)
    verdict = judge([whole, same, replace(same, pictures=other, batch=3)], gate)
    assert verdict.reason.count(", only at batch 3") == 2
    assert "PSNR mean" in verdict.reason
    assert "mean shift" in verdict.reason


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


def test_pictures_that_are_all_darker_have_a_shift_as_large_as_brighter_ones() -> None:
    down = np.where(REFERENCE > 0, REFERENCE - 1, 0).astype(np.uint8)
    up = 255 - np.where(255 - REFERENCE > 0, 255 - REFERENCE - 1, 0).astype(np.uint8)
    gate = Gate(shift_levels=0.5)
    for pictures in (down, up):
        verdict = judge(replays(pictures), gate)
        assert verdict.status == "failed"
        (shift,) = [figure.value for figure in verdict.figures if figure.metric.startswith("mean shift")]
        assert shift == pytest.approx(np.abs((pictures.astype(int) - REFERENCE).mean()))
        assert shift > 0.9


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)], ids=["last", "first"])
def test_every_figure_is_that_of_the_worst_replay(order: slice) -> None:
    darker = (REFERENCE * 0.9).astype(np.uint8)
    both = [REFERENCE, darker][order]
    alone = {figure.metric: figure.value for figure in judge(replays(darker), Gate()).figures}
    worst = {figure.metric: figure.value for figure in judge(replays(*both), Gate()).figures}
    best = {figure.metric: figure.value for figure in judge(replays(REFERENCE), Gate()).figures}
    assert worst == alone
    assert all(worst[metric] != best[metric] for metric in best)


MANY = np.random.default_rng(1).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
SAMPLED = precision("fp16").limits("rectified-flow")


def parted(*numbers: int, pictures: np.ndarray = MANY) -> np.ndarray:
    """Pictures some of which are others than they should be."""
    made = pictures.copy()
    made[list(numbers)] = np.roll(pictures, 1, axis=1)[list(numbers)]
    return made


def share_of(verdict: Verdict, bank: str = "") -> Figure:
    (found,) = [one for one in verdict.figures if one.metric.startswith(SHARE) and one.bank == bank]
    return found


def test_a_sampler_s_probes_may_part_in_one_of_twenty_and_are_listed() -> None:
    verdict = judge([Replay(parted(7, 40, 41), MANY, 64)], SAMPLED)
    assert verdict.status == "passed"
    assert verdict.parted == (7, 40, 41)
    assert share_of(verdict).value == pytest.approx(61 / 64)
    assert "40 dB" in share_of(verdict).metric
    verdict = judge([Replay(parted(7, 40, 41, 63), MANY, 64)], SAMPLED)
    assert verdict.status == "failed"
    assert "only 93.8% within the limits; at least 95.0% must be" in verdict.reason
    assert verdict.parted == (7, 40, 41, 63)


def test_one_probe_in_64_fails_where_the_same_picture_is_promised() -> None:
    gate = precision("fp16").gate
    verdict = judge([Replay(parted(7), MANY, 64)], gate)
    assert verdict.status == "failed"
    assert "worst picture" in verdict.reason
    assert verdict.parted == (7,)
    assert not any(figure.metric.startswith(SHARE) for figure in verdict.figures)


def test_a_probe_counts_once_that_parts_in_any_replay() -> None:
    several = [
        Replay(parted(1), MANY, 64),
        Replay(parted(1, 2), MANY, 1),
        Replay(parted(0, pictures=MANY[[5, 1]]), MANY[[5, 1]], 2, numbers=(5, 1)),
    ]
    verdict = judge(several, SAMPLED)
    assert verdict.parted == (1, 2, 5)
    assert share_of(verdict).value == pytest.approx(61 / 64)


def test_the_batch_is_named_at_which_too_many_part() -> None:
    verdict = judge([Replay(parted(1), MANY, 64), Replay(parted(*range(9)), MANY, 1)], SAMPLED)
    assert verdict.status == "failed"
    assert "must be), only at batch 1" in verdict.reason


@pytest.mark.parametrize(("count", "allowed"), [(7, 0), (8, 1), (19, 1), (20, 1), (39, 1), (40, 2), (64, 3)])
def test_a_small_bank_may_have_one_probe_apart(count: int, allowed: int) -> None:
    usual = Replay(MANY, MANY, 64)
    for wrong in (allowed, allowed + 1):
        bank = MANY[:count]
        replayed = Replay(parted(*range(wrong), pictures=bank), bank, count, "seeds")
        verdict = judge([usual, replayed], SAMPLED)
        assert verdict.status == ("passed" if wrong == allowed else "failed")
        assert share_of(verdict, "seeds").value == pytest.approx(1 - wrong / count)
        assert verdict.parted == ()


@pytest.mark.parametrize("name", ["fp16", "int8"])
def test_the_extremes_decide_only_where_the_grade_is_the_same_picture(name: str) -> None:
    gate, bank = precision(name).limits(None), MANY[:8]
    replays = [Replay(MANY, MANY, 64), Replay(np.roll(bank, 1, axis=1), bank, 8, "extremes")]
    verdict = judge(replays, gate)
    assert verdict.status == ("failed" if gate.grade == "same picture" else "passed")
    assert any(one.bank == "extremes" and one.metric == "PSNR mean (dB)" for one in verdict.figures)
    empty = Replay(bank[:0], bank, 8, "extremes")
    assert judge([replays[0], empty], gate).status == "failed"


@pytest.mark.parametrize("pictures", [MANY[:4], MANY[..., 0]], ids=["too few", "no channels"])
def test_a_share_of_what_cannot_be_compared_passes_nothing(pictures: np.ndarray) -> None:
    verdict = judge([Replay(pictures, MANY, 64)], SAMPLED)
    assert verdict.status == "failed"
    assert "could not be computed" in verdict.reason


def test_the_message_of_an_estimate_gives_its_bound() -> None:
    far = Figure(metric="FD ratio (net)", value=1.5, lower=1.375, upper=1.6, at_most=1.05)
    verdict = judge(replays(REFERENCE), FP32, [far])
    assert "(FD ratio 1.500, with 95 % confidence 1.375 or more; allowed is at most 1.05)" in verdict.reason
    assert judge(replays(REFERENCE), FP32, [far.model_copy(update={"lower": 1.0})]).status == "passed"


@pytest.mark.parametrize(
    ("name", "sampler", "recorded", "grade"),
    [
        ("fp16", None, "same picture", "same picture"),
        ("fp16", None, "same distribution", "same distribution"),
        ("fp16", "rectified-flow", "same picture", "same distribution"),
        ("int8", None, "same picture", "same distribution"),
    ],
)
def test_a_bundle_cannot_claim_more_than_its_precision_promises(
    name: str, sampler: str | None, recorded: str, grade: str
) -> None:
    variant = Variant.model_construct(precision=name, grade=recorded)
    manifest = Manifest.model_construct(sampler=sampler)
    assert grade_of(variant, manifest) == grade
