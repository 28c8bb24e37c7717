import pytest
from hypothesis import given, strategies as st

from litho.cli.values import fixed_inputs, numbers, pairs, parse_size, positive, rates, words
from litho.errors import UsageError

whole = st.integers(0, 10**9)
names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1)


@given(st.dictionaries(names, st.text()))
def test_pairs_keep_every_sign_of_a_value(values: dict[str, str]) -> None:
    assert pairs([f"{name}={value}" for name, value in values.items()], "--set") == values


@given(st.dictionaries(names, whole))
def test_fixed_inputs_are_whole_numbers(values: dict[str, int]) -> None:
    assert fixed_inputs([f"{name}={value}" for name, value in values.items()]) == values


@given(st.lists(whole), st.sampled_from([",", ", ", " , "]))
def test_numbers_are_separated_by_commas(values: list[int], comma: str) -> None:
    text = comma.join(map(str, values))
    assert numbers(text, "--batch") == values
    assert words(text) == [str(value) for value in values]
    assert numbers(None, "--batch") is None


def test_rates_are_numbers_above_zero() -> None:
    assert rates("50, 0.5", "--rate") == [50, 0.5]
    assert rates(None, "--rate") is None
    for text in ("", "0", "-1", "nan", "inf", "fast"):
        with pytest.raises(UsageError, match="expected numbers above 0"):
            rates(text, "--rate")


@given(whole, whole)
def test_a_size_is_height_and_width_or_free(height: int, width: int) -> None:
    assert parse_size(f"{height}x{width}") == (height, width)
    assert parse_size("free") == "free"


@pytest.mark.parametrize("text", ["", "x", "96", "96x", "x96", "-1x96", "96x128x3", "1.5x2", "Free"])
def test_another_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected free, or HEIGHTxWIDTH"):
        parse_size(text)


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000, "²", "-1", "1e3", "0x1"])
def test_a_number_that_no_input_takes_is_refused_and_python_reads_none_of_its_digits(number: str) -> None:
    for read in (
        lambda: numbers(f"1,{number}", "--batch"),
        lambda: parse_size(f"8x{number}"),
        lambda: fixed_inputs([f"label={number}"]),
    ):
        with pytest.raises(UsageError, match="expected"):
            read()


@given(st.floats())
def test_only_finite_numbers_above_zero_are_positive(value: float) -> None:
    if 0 < value < float("inf"):
        positive(value, "--seconds")
    else:
        with pytest.raises(UsageError, match=r"--seconds was given .*; expected a number above 0"):
            positive(value, "--seconds")
    positive(None, "--seconds")
