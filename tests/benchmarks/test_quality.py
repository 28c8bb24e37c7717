"""Quality targets, the document of what presets reached, and the page that is made of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litho.benchmarks import quality
from litho.benchmarks.quality_targets import TARGETS, QualityTarget, outcomes
from litho.training.evaluation import Figure
from litho.training.presets import PRESETS

ROOT = Path(quality.__file__).resolve().parents[1]
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


def test_an_entry_takes_the_place_of_the_one_before_it_and_no_other() -> None:
    measured = quality.read_quality()
    for entry in measured.entries:
        slower = entry.model_copy(update={"minutes": entry.minutes + 1})
        changed = measured.with_entry(slower)
        assert len(changed.entries) == len(measured.entries)
        assert changed.with_entry(entry) == measured


def test_the_page_says_what_the_document_says_and_shows_every_preset() -> None:
    measured = quality.read_quality()
    assert measured.entries
    assert (ROOT / "docs" / "quality.md").read_text(encoding="utf-8") == quality.page(measured)
    for entry in measured.entries:
        assert (ROOT / "docs" / "quality" / f"{entry.preset}.png").stat().st_size > 0
        assert outcomes(entry.preset, entry.budget, entry.figures) == entry.outcomes


def test_a_document_of_an_older_release_is_read(tmp_path: Path) -> None:
    text = quality.RESULT.read_text(encoding="utf-8")
    names = {
        "reference": "floor",
        "reference_of": "floor_of",
        "baseline": "ceiling",
        "baseline_of": "ceiling_of",
    }
    for new, old in {**names, "target": "bar"}.items():
        assert f'"{new}":' in text
        text = text.replace(f'"{new}":', f'"{old}":')
    old_file = tmp_path / "quality.json"
    old_file.write_text(text.replace("of the baseline", "of the ceiling"), encoding="utf-8")
    assert quality.read_quality(old_file) == quality.read_quality()


def test_there_are_no_figures_before_any_were_measured(tmp_path: Path) -> None:
    assert quality.read_quality(tmp_path / "quality.json").entries == ()
