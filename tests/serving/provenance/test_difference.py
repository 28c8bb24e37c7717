"""Verdicts on pictures that were made again: lossless and lossy files, changed files, small differences."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from litho.errors import DataError
from litho.parity.gate import limits
from litho.serving.provenance.difference import decode, judge_picture, limits_of_one
from litho.serving.provenance.receipt import Origin, Receipt, ReceiptMaker

from .encoded import encode

ORIGIN = Origin("digits", "generator.fp32.onnx", "same picture", "a" * 64, precision="fp32")
SMOOTH = np.add.outer(np.arange(40), np.arange(56)).astype(np.uint8)[..., None] + np.array(
    [0, 60, 120], np.uint8
)
FORMS = [("png", None), ("jpeg", 80), ("webp", 80), ("webp", 100)]


def receipt_of(pixels: np.ndarray = SMOOTH, form: str = "png", quality: int | None = None) -> Receipt:
    return ReceiptMaker().make(ORIGIN, {}, pixels, file_format=form, quality=quality)


def judged(again: np.ndarray, form: str = "png", quality: int | None = None, shown: np.ndarray = SMOOTH):
    receipt = receipt_of(form=form, quality=quality)
    content = encode(shown, form, 100 if quality is None else quality)
    gate = limits_of_one(receipt, ["fp32"])
    return judge_picture(receipt, decode(content, receipt, "x.png"), again, gate)


def with_noise(levels: int, count: int) -> np.ndarray:
    """The picture with so many values changed by so many grey levels."""
    changed = SMOOTH.reshape(-1).astype(int)
    changed[np.random.default_rng(0).permutation(changed.size)[:count]] += levels
    return np.clip(changed, 0, 255).astype(np.uint8).reshape(SMOOTH.shape)


OTHERS = {"turned": SMOOTH[::-1], "inverted": 255 - SMOOTH, "noisy": with_noise(40, 3000)}


@pytest.mark.parametrize(("form", "quality"), FORMS)
def test_the_same_picture(form, quality):
    found = judged(SMOOTH, form, quality)
    assert (found.same, found.identical, found.reason) == (True, True, "every value is equal")
    assert found.difference is not None
    assert (found.difference.levels, found.difference.identical, found.difference.psnr_db) == (0, 1.0, 100.0)


@pytest.mark.parametrize(("form", "quality"), FORMS)
@pytest.mark.parametrize("other", OTHERS)
def test_another_picture(form, quality, other):
    found = judged(np.ascontiguousarray(OTHERS[other]), form, quality)
    assert (found.same, found.identical) == (False, False)
    assert found.reason.startswith("it is another picture")


@pytest.mark.parametrize(("form", "quality"), FORMS)
def test_a_few_values_of_a_grey_level_are_within_the_contract(form, quality):
    found = judged(with_noise(1, 6), form, quality)
    assert (found.same, found.identical) == (True, False)


def test_more_than_the_contract_allows():
    assert "a value differs by 2 grey levels" in judged(with_noise(2, 6)).reason
    assert "of the values are equal" in judged(with_noise(1, 7)).reason


def test_a_file_whose_pixels_were_changed_later():
    found = judged(SMOOTH, shown=with_noise(1, 1))
    assert (found.same, found.identical) == (False, True)
    assert "changed later" in found.reason
    found = judged(SMOOTH, "jpeg", 80, shown=SMOOTH[::-1].copy())
    assert (found.same, found.identical) == (False, True)
    assert "the file shows another picture" in found.reason


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("opaque", [False, True])
def test_any_number_of_channels(channels, opaque):
    pixels = np.repeat(SMOOTH[..., :1], channels, axis=2)
    other = np.ascontiguousarray(pixels[::-1])
    for form, quality in FORMS:
        receipt = receipt_of(pixels, form, quality)
        content = encode(
            pixels, form, 100 if quality is None else quality, opaque=opaque and channels in (2, 4)
        )
        shown = decode(content, receipt, "x")
        found = judge_picture(receipt, shown, pixels, limits("fp32"))
        assert (found.same, found.identical) == (True, True), (form, quality, found)
        assert not judge_picture(receipt, shown, other, limits("fp32")).same


def test_one_value_of_a_small_picture_may_differ():
    small = SMOOTH[:8, :8]
    receipt = receipt_of(small)
    off = small.copy()
    off[0, 0, 0] += 1
    shown = decode(encode(small), receipt, "x")
    assert judge_picture(receipt, shown, off, limits_of_one(receipt, ["fp32"])).same
    off[1, 0, 0] += 1
    assert not judge_picture(receipt, shown, off, limits_of_one(receipt, ["fp32"])).same


def test_the_looser_precision_gives_the_limits():
    receipt = receipt_of()
    assert limits_of_one(receipt, ["fp16"]).min_psnr_db == 40
    assert limits_of_one(receipt, ["fp32", "int8"]).min_psnr_db == 25
    assert limits_of_one(receipt, [""]).max_abs_levels == 1
    assert limits_of_one(receipt, ["int3"]).max_abs_levels == 1


def test_webp_of_an_unknown_quality_is_judged_by_the_hash():
    receipt = receipt_of(form="webp")
    shown = decode(encode(SMOOTH, "webp", 50), receipt, "x")
    same = judge_picture(receipt, shown, SMOOTH, limits("fp32"))
    assert (same.same, same.difference) == (True, None)
    assert not judge_picture(receipt, shown, 255 - SMOOTH, limits("fp32")).same


def test_files_that_were_cropped_or_damaged_are_refused():
    receipt = receipt_of()
    whole = encode(SMOOTH)
    with pytest.raises(DataError, match="cropped or resized"):
        decode(encode(SMOOTH[:9]), receipt, "x.png")
    with pytest.raises(DataError, match=r"x\.png is damaged"):
        decode(whole[: len(whole) // 2], receipt, "x.png")
    turned = BytesIO()
    Image.fromarray(SMOOTH).convert("P").save(turned, "PNG")
    decode(turned.getvalue(), receipt, "x.png")
