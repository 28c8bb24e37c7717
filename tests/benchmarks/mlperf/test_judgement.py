import numpy as np
import pytest

from litho.benchmarks.mlperf.judgement import Logged, judge_all, judge_some
from litho.benchmarks.mlperf.samples import Samples
from litho.parity.gate import limits

GATE = limits("fp32")


@pytest.fixture(scope="module")
def right(samples: Samples) -> Logged:
    """A log of accuracy mode with PyTorch's pictures, in another order."""
    log = []
    for number in reversed(range(len(samples))):
        bank, at = samples.bank_of(number)
        log.append((number, bank.images[at]))
    return log


def inverted(logged: Logged, position: int) -> Logged:
    number, picture = logged[position]
    assert picture is not None
    return [*logged[:position], (number, 255 - picture), *logged[position + 1 :]]


def test_right_pictures_pass(samples: Samples, right: Logged) -> None:
    judged = judge_all(samples, right, GATE)
    assert judged.passed
    assert judged.pictures == len(samples)
    assert {figure.bank for figure in judged.verdict.figures} >= {"", "seeds"}
    assert judge_some(samples, [right[3], right[3], right[90]], right, GATE).passed


def test_one_wrong_picture_of_any_bank_fails(samples: Samples, right: Logged) -> None:
    for position in (0, len(right) - 1):
        assert not judge_all(samples, inverted(right, position), GATE).passed


def test_one_wrong_picture_under_load_fails(samples: Samples, right: Logged) -> None:
    for position in (3, len(right) - 4):
        judged = judge_some(
            samples, [right[5], *inverted(right, position)[position : position + 1]], right, GATE
        )
        assert not judged.passed
        assert "grey levels off" in judged.verdict.reason


@pytest.mark.parametrize("number", [0, 100])
def test_answers_that_are_missing_or_no_pictures_fail(number: int, samples: Samples, right: Logged) -> None:
    assert "answers to" in judge_all(samples, right[1:], GATE).verdict.reason
    broken = [(one, None if one == number else picture) for one, picture in right]
    assert "no pictures of shape" in judge_all(samples, broken, GATE).verdict.reason
    assert "no pictures of shape" in judge_some(samples, broken, right, GATE).verdict.reason
    assert "accuracy mode has no picture" in judge_some(samples, right[:3], broken, GATE).verdict.reason
    assert "logged no picture" in judge_some(samples, [], right, GATE).verdict.reason


def test_some_pictures_of_a_sampler_may_differ_as_its_gate_allows(samples: Samples, right: Logged) -> None:
    gate = limits("int8")
    slightly = [(number, picture if picture is None else np.maximum(picture, 1)) for number, picture in right]
    assert (
        judge_all(samples, slightly, gate).passed == judge_some(samples, slightly[:50], slightly, gate).passed
    )
