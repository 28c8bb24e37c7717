"""How trainings are planned and compared; the trainings themselves are those of tests/training/run."""

import json
from pathlib import Path

import pytest

from litho.benchmarks.distributed_training.run import _compare, _training
from litho.errors import TrainingError
from litho.training.presets import resolve


def test_statistics_are_compared_step_by_step(tmp_path: Path) -> None:
    for folder, factor in (("1/0", 1.0), ("2/0", 1 + 1e-6)):
        run = tmp_path / folder
        run.mkdir(parents=True)
        lines = [
            {"nimg": 24 * step, "loss": 2.0 * factor**step, "images_per_second": step} for step in range(7)
        ]
        (run / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = _compare(tmp_path, 0, 2, 7)
    assert found.at_first == pytest.approx(4e-6, rel=1e-3)
    assert found.at_last == pytest.approx(6e-6, rel=1e-3)
    assert found.images_per_second == 3.5
    with pytest.raises(TrainingError, match=r"vae-mnist has 7 and 7 steps; expected 8"):
        _compare(tmp_path, 0, 2, 8)


def test_all_trainings_are_recipes_of_their_presets(tmp_path: Path) -> None:
    for preset in ("vae-mnist", "cgan-digits", "flow-shapes"):
        planned = _training(tmp_path, preset, 7, parallel="ddp")
        assert resolve(preset, overrides=planned["overrides"]).steps == 7
