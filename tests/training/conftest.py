"""Trainings of a second or two: the real loop, data and networks, at a tiny width."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ..smallest import smallest_recipe

Train = Callable[..., Path]
"""Trains into a folder, and gives it back; keywords are recipe keys."""

TINY = smallest_recipe(
    "cgan", nimg=256, ema_half_life_nimg=None, stats_nimg=48, sample_nimg=128, checkpoint_nimg=80
)
"""Recipe keys of a training of 16 steps."""


@pytest.fixture
def tiny_train() -> Train:
    """Train `cgan-digits` at a tiny size; keywords are further recipe keys, None takes one off."""
    from litho.training.loop import train

    def run(path: Path, preset: str = "cgan-digits", **overrides: object) -> Path:
        keys = {key: str(value) for key, value in {**TINY, **overrides}.items() if value is not None}
        return train(preset, run=path, overrides=keys, progress=False)

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished tiny training; not to be written to."""
    from litho.training.loop import train

    return train("cgan-digits", run=tmp_path_factory.mktemp("runs") / "tiny", overrides=TINY, progress=False)
