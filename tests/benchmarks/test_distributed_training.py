"""The document of a comparison; the trainings themselves are those of tests/training/run."""

import json
from pathlib import Path

import pytest

from litho.benchmarks.distributed_training import (
    DistributedTraining,
    Kill,
    Training,
    _compare,
    _training,
    table,
)
from litho.benchmarks.shared.machine import describe_machine
from litho.errors import TrainingError
from litho.training.presets import resolve


def training(at_first: float) -> Training:
    return Training(
        preset="flow-shapes",
        parallel="fsdp",
        micro_batch=3,
        processes=2,
        steps=12,
        at_first=at_first,
        at_last=2e-3,
        images_per_second=51.4,
    )


def test_a_result_is_read_back_and_shown() -> None:
    kill = Kill(processes=2, killed_at_nimg=264, continued_at_nimg=192, lost_seconds=9.5, same_weights=False)
    result = DistributedTraining(
        trainings=(training(1e-7), training(1e-2)), kill=kill, machine=describe_machine()
    )
    assert DistributedTraining.model_validate_json(result.model_dump_json()) == result
    assert table(result)[2] == "| flow-shapes | fsdp | 3 | 2 | 1e-07 | 2e-03 | 51 |"
    assert table(result)[-1].startswith("killed at 264 images, continued at 192: OTHER WEIGHTS; 9.5 s")
    assert result.problems == [
        "flow-shapes by 2 processes (fsdp) differs by 1.0e-02 at first",
        "the killed training has other weights",
    ]


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
