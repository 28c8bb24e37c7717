"""Quality targets, and the document of what presets reached."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litho.benchmarks.quality import run as quality
from litho.benchmarks.quality.targets import outcomes
from litho.training.evaluation import Figure

ROOT = Path(quality.__file__).resolve().parents[2]


def figure(metric: str, value: float, baseline: float | None = None) -> Figure:
    return Figure(metric=metric, value=value, baseline=baseline, better="lower", n=1)


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


def test_a_published_grid_is_halved_until_it_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "PNG")
    assert quality._published(written.getvalue()) == written.getvalue()
    monkeypatch.setattr(quality, "MOST_BYTES", 4000)
    smaller = quality._published(written.getvalue())
    assert len(smaller) <= 4000
    with Image.open(io.BytesIO(smaller)) as image:
        assert image.size == (32, 32)
