"""The best weights of a training, by every figure, as they come out in the snapshot."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from litho.errors import UsageError
from litho.training.data import sources as data
from litho.training.metrics.pixels import pixel_distance
from litho.training.run.snapshot import load_snapshot

from ..conftest import Train

pytestmark = pytest.mark.slow

VAE = {"data": "digits", "resolution": 16, "blocks": 1, "lr": 3e-3, "discriminator_width": None}


def measured(run: Path, metric: str) -> dict[int, float]:
    """What was measured where, from the lines of statistics."""
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return {line["nimg"]: line[metric] for line in lines if metric in line}


@pytest.mark.parametrize(
    ("preset", "metric", "better", "given"),
    [
        ("cgan-digits", "label_agreement", max, {}),
        ("cgan-digits", "diversity", lambda values: min(values, key=lambda value: abs(value - 1)), {}),
        ("dcgan-digits", "pixel_distance", min, {}),
        ("vae-mnist", "held_out_loss", min, VAE),
    ],
)
def test_the_snapshot_is_the_best_that_was_measured(
    tiny_train: Train, tmp_path: Path, preset: str, metric: str, better: Any, given: dict[str, Any]
) -> None:
    # Learning rates this high go up and down, so that the last is not the best.
    run = tiny_train(
        tmp_path / "run",
        preset,
        **{"lr": 0.02, "sample_nimg": 256, **given, "metric": metric, "metric_nimg": 32, "stats_nimg": 32},
        diversity_floor=0,
    )
    values = measured(run, metric)
    assert sorted(values) == list(range(32, 257, 32))
    info = load_snapshot(run).info
    best = better(values.values())
    assert values[info.nimg] == best
    assert info.nimg == min(nimg for nimg, value in values.items() if value == best)
    if metric != "diversity":  # the snapshot's own figure of that name is of the same pictures
        assert info.quality[metric] == pytest.approx(best, abs=1e-4)


def test_training_stops_when_nothing_better_came_for_long_enough(tiny_train: Train, tmp_path: Path) -> None:
    keys = {"metric": "pixel_distance", "metric_nimg": 32, "stats_nimg": 32, "lr": 1e-9, "sample_nimg": 1024}
    run = tiny_train(tmp_path / "run", "dcgan-digits", nimg=1024, patience=2, ema_half_life_nimg=1, **keys)
    values = measured(run, "pixel_distance")
    info = load_snapshot(run).info
    assert max(values) < 1024
    assert info.nimg == max(values) - 64
    assert tiny_train(run, "dcgan-digits", nimg=1024, patience=2, ema_half_life_nimg=1, **keys) == run
    assert measured(run, "pixel_distance") == values


def test_a_held_out_loss_is_the_negative_bound_of_the_averaged_weights(
    tiny_train: Train, tmp_path: Path
) -> None:
    keys = {**VAE, "metric": "held_out_loss", "metric_nimg": 256, "warm_up_nimg": 10**9}
    info = load_snapshot(tiny_train(tmp_path / "run", "vae-mnist", **keys)).info
    # Half of the pixels of an untrained model cost a bit each; the warm-up of the divergence is over.
    assert 0 < info.quality["held_out_loss"] < 2 * 256 * np.log(2)


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("dcgan-digits", {"metric": "label_agreement"}, "there are no labels; use pixel_distance"),
        (
            "dcgan-digits",
            {"metric": "held_out_loss"},
            "adversarial losses do not measure quality; use pixel_distance",
        ),
        ("dcgan-digits", {"patience": 3}, "patience=3 needs a metric; give --set metric="),
        (
            "dcgan-digits",
            {"metric": "fid"},
            "recipe key 'metric' was given 'fid'; expected .*'pixel_distance'",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(
    tiny_train: Train, tmp_path: Path, preset: str, overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        tiny_train(tmp_path / "run", preset, **overrides)
    assert not (tmp_path / "run").exists()


def test_a_distance_in_pixels_tells_real_images_from_noise_and_from_copies() -> None:
    train, test = data.load("digits").split()
    noise = np.random.default_rng(0).integers(0, 256, test.images.shape, dtype=np.uint8)
    near = pixel_distance(train.images, test.images)
    assert 0 <= near < 0.2
    assert pixel_distance(noise, test.images) > 10 * near
    assert pixel_distance(np.repeat(test.images[:1], 50, axis=0), test.images) > 10 * near
    assert torch.get_default_dtype() == torch.float32
