"""The tables of docs/passes.md."""

import pytest

from litho.benchmarks.figures import passes
from litho.benchmarks.figures.base import Results
from litho.benchmarks.passes.documents import Gain
from litho.benchmarks.passes.run import CASES


def test_every_case_is_shown() -> None:
    shown = {*passes._GAINS, *passes._RATIOS, "subpixel"}
    assert shown == {case.name for case in CASES}


@pytest.mark.parametrize(("low", "high", "text"), [(1.01, 1.2, "1.10"), (0.9, 1.2, "(1.10)")])
def test_a_gain_that_may_be_none_stands_in_parentheses(low: float, high: float, text: str) -> None:
    gain = Gain(case="same", runtime="openvino", batch=1, ratio=1.1, low=low, high=high, pairs=9)
    assert passes._gain(gain) == text


def test_each_cell_has_a_gain_for_each_batch() -> None:
    for line in passes.write(Results())[""].splitlines()[2:]:
        assert line.count(",") >= 4
