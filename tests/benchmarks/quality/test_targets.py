import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.quality.targets import TARGETS, QualityTarget, outcomes
from litho.training.evaluation.document import Figure
from litho.training.presets import PRESETS

numbers = st.floats(-1e6, 1e6)


def figure(metric: str, value: float, baseline: float | None = None) -> Figure:
    return Figure(metric=metric, value=value, baseline=baseline, better="lower", n=1)


def test_every_target_belongs_to_a_preset_and_no_easier_at_the_full_budget() -> None:
    assert set(TARGETS) <= set(PRESETS)
    for target in (target for targets in TARGETS.values() for target in targets):
        if target.cpu is not None and target.gpu is not None:
            assert target.gpu <= target.cpu if target.better == "lower" else target.gpu >= target.cpu


@given(numbers, numbers)
def test_a_target_is_reached_on_its_better_side(value: float, limit: float) -> None:
    lower, higher = (
        QualityTarget(metric="FD", better=better, cpu=limit, gpu=limit) for better in ("lower", "higher")
    )
    assert lower.judge([figure("FD-digits", value)], limit).reached == (value <= limit)
    assert higher.judge([figure("FD-digits", value)], limit).reached == (value >= limit)


@given(numbers, st.floats(0.1, 1e3))
def test_a_figure_is_compared_with_its_baseline(value: float, baseline: float) -> None:
    share = QualityTarget(metric="FD", reading="share of the baseline", better="lower", cpu=0.2, gpu=0.1)
    gain = QualityTarget(metric="FD", reading="gain over the baseline", better="higher", cpu=1, gpu=2)
    known = [figure("FD-digits", value, baseline)]
    assert share.judge(known, 0.2).value == pytest.approx(value / baseline)
    assert gain.judge(known, 1).value == pytest.approx(value - baseline)


@pytest.mark.parametrize(
    "known",
    [[], [figure("recall", 1.0)], [figure("FD-digits", 0.0)], [figure("FD-digits", 0.0, 0.0)]],
    ids=["no figures", "another figure", "no baseline", "a baseline of zero"],
)
def test_what_could_not_be_measured_is_not_reached(known: list[Figure]) -> None:
    target = QualityTarget(metric="FD", reading="share of the baseline", better="lower", cpu=1, gpu=1)
    outcome = target.judge(known, 1)
    assert outcome.value is None
    assert not outcome.reached


def test_each_budget_has_its_own_targets() -> None:
    assert [outcome.limit for outcome in outcomes("flow-emoji", "cpu", ())] == [0.80]
    assert [outcome.limit for outcome in outcomes("flow-emoji", "gpu", ())] == [0.90]
    assert outcomes("cgan-digits", "cpu", ()) == ()
