"""The document of what presets reached, of this release and of older ones."""

from pathlib import Path

from litho.benchmarks.quality import documents as quality
from litho.benchmarks.quality.targets import outcomes

ROOT = Path(quality.__file__).resolve().parents[2]


def test_an_entry_takes_the_place_of_the_one_before_it_and_no_other() -> None:
    measured = quality.read_quality()
    for entry in measured.entries:
        slower = entry.model_copy(update={"minutes": entry.minutes + 1})
        changed = measured.with_entry(slower)
        assert len(changed.entries) == len(measured.entries)
        assert changed.with_entry(entry) == measured


def test_entries_are_compared_with_the_targets_of_today_and_have_pictures() -> None:
    measured = quality.read_quality()
    assert measured.entries
    for entry in measured.entries:
        assert (ROOT / "docs" / "quality" / f"{entry.preset}.png").stat().st_size > 0
        assert outcomes(entry.preset, entry.budget, entry.figures) == entry.outcomes
        assert entry.model_copy(update={"outcomes": ()}).judged() == entry
        assert measured.entry(entry.preset, entry.budget) == entry
    assert measured.entry("flow-emoji", "gpu") is None


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
