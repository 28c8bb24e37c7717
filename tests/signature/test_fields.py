from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from litho.errors import InvalidInput
from litho.signature.fields import MAX_TEXT_BYTES, Field, Role, source_field

PROMPT = Field(name="prompt", role=Role.PROMPT, dtype="BYTES")


@pytest.mark.slow
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_texts_and_their_bytes_become_the_same_texts(texts: list[str]) -> None:
    for given_ in (texts, [text.encode() for text in texts]):
        checked = PROMPT.check(np.array([*given_, None], dtype=object)[:-1])
        assert checked.dtype == object
        assert checked.tolist() == texts


@pytest.mark.parametrize("text", ["a word", b"a word", np.str_("a word"), ["a word"]])
def test_a_plain_text_is_a_batch_of_one(text: Any) -> None:
    assert PROMPT.check(text).tolist() == ["a word"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"\xff\xfe", "a text that is not UTF-8"),
        ("\ud800", "a text that is not UTF-8"),
        ("é" * (MAX_TEXT_BYTES // 2 + 1), "a text of 4098 bytes; allowed is .* at most 4096 bytes each"),
        (7, "dtype int64"),
        (None, "a value of type NoneType"),
        ([["a"], ["b"]], r"shape \(2, 1\)"),
    ],
)
def test_what_is_no_text_of_the_allowed_length_is_refused(text: Any, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as refused:
        PROMPT.check(text)
    assert "\n" not in str(refused.value)
    assert PROMPT.check("é" * (MAX_TEXT_BYTES // 2)).shape == (1,)


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ({"shape": (-1, 8, 3)}, "height and width, which are both -1 where they are free"),
        ({"shape": (-1, -1, 0)}, "extents are positive"),
        ({"shape": (8, 8, 3), "least_side": 4}, "has no free height and width to limit"),
        ({"shape": (-1, -1, 3), "least_side": 4}, "needs least_side, most_side and usual_size"),
    ],
)
def test_limits_of_sides_go_with_sides_that_are_free(limits: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Field(name="source", role=Role.IMAGE, dtype="UINT8", **limits)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_what_is_freed_and_sized_again_is_as_it_was(step: int, height: int, width: int, more: int) -> None:
    fixed = source_field(step * height, step * width, 3)
    free = fixed.with_free_size(step, step * (max(height, width) + more), step)
    assert free.with_size(step * height, step * width) == fixed
    assert free.usual_shape == fixed.shape
    least, most = free.extreme_shapes
    for shape in (least, free.usual_shape, most):
        assert free.check(np.zeros((1, *shape), np.uint8)).shape == (1, *shape)


def test_a_masked_value_is_checked_like_any_other() -> None:
    label = Field(name="label", role=Role.LABEL, dtype="INT64", minimum=0, maximum=9)
    hidden = np.ma.masked_array([3, 99], mask=[False, True], dtype=np.int64)
    with pytest.raises(InvalidInput, match="value 99"):
        label.check(hidden)
