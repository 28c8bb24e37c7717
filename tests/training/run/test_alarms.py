"""Every sign stops the run with its own line, and none of them is seen where there is none."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from litho.errors import TrainingError
from litho.training.presets import resolve
from litho.training.run.alarms import Alarms

from ..conftest import Train

WELL = {"real_logit": 1.0, "fake_logit": -1.0, "generator_gradient": 0.3, "discriminator_gradient": 0.5}
SATURATED = {**WELL, "real_logit": 4.0, "fake_logit": -4.0, "generator_gradient": 1e-6}


def alarms(**overrides: Any) -> Alarms:
    return Alarms(resolve("cgan-digits", overrides={key: str(value) for key, value in overrides.items()}))


def collapse(tiny_train: Train, run: Path, **overrides: Any) -> str:
    with pytest.raises(TrainingError) as caught:
        tiny_train(run, "dcgan-digits", **overrides)
    assert caught.value.exit_code == 1
    assert not (run / "snapshot.json").exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.slow
def test_a_generator_far_too_fast_saturates_the_discriminator(tiny_train: Train, tmp_path: Path) -> None:
    message = collapse(tiny_train, tmp_path / "run", lr=10, alarm_nimg=160, nimg=2048, diversity_floor=0)
    assert message.startswith("the discriminator is saturated at nimg ")
    assert "the generator's: 0" in message
    assert "try lower learning rates" in message


@pytest.mark.slow
def test_a_discriminator_without_a_match_is_saturated(tiny_train: Train, tmp_path: Path) -> None:
    message = collapse(
        tiny_train,
        tmp_path / "run",
        lr=1e-6,
        discriminator_lr=0.02,
        r1_gamma=0,
        spectral_norm=False,
        discriminator_width=8,
        saturation_gradient=0.01,
        alarm_nimg=160,
        nimg=4096,
        diversity_floor=0,
    )
    assert "is saturated" in message
    assert "the discriminator's: " in message


@pytest.mark.slow
def test_pictures_that_are_all_the_same_stop_the_run(tiny_train: Train, tmp_path: Path) -> None:
    message = collapse(
        tiny_train, tmp_path / "run", lr=10, nimg=2048, sample_nimg=128, alarm_nimg=512, saturation_gap=0
    )
    assert message.startswith("the generator has collapsed at nimg ")
    assert "for 512 images the diversity of its pictures was under 0.05 of that of real ones (now " in message


@pytest.mark.slow
@pytest.mark.parametrize("off", [{"saturation_gap": 0, "diversity_floor": 0}, {"alarm_nimg": 20_000}])
def test_alarms_can_be_switched_off_and_leave_time(
    tiny_train: Train, tmp_path: Path, off: dict[str, Any]
) -> None:
    given = {"alarm_nimg": 16, "sample_nimg": 64, **off}
    run = tiny_train(tmp_path / "run", "dcgan-digits", lr=10, nimg=128, **given)
    assert (run / "snapshot.json").exists()


def test_a_sign_must_last_without_a_break() -> None:
    watch = alarms(alarm_nimg=100)
    for nimg in (0, 50, 99):
        watch.check_step(SATURATED, nimg)
    watch.check_step(WELL, 100)
    for nimg in (150, 200, 249):
        watch.check_step(SATURATED, nimg)
    with pytest.raises(TrainingError, match="saturated at nimg 250"):
        watch.check_step(SATURATED, 250)


def test_what_was_seen_before_a_resume_counts() -> None:
    before = alarms(alarm_nimg=100)
    before.check_diversity(0.0, 50)
    after = Alarms(resolve("cgan-digits", overrides={"alarm_nimg": "100"}), before.since)
    with pytest.raises(TrainingError, match="collapsed at nimg 150"):
        after.check_diversity(0.0, 150)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({**SATURATED, "generator_gradient": 0.1}, id="a wide gap alone"),
        pytest.param({**SATURATED, "real_logit": -3.0}, id="a small gradient alone"),
        pytest.param({"real_logit": 9.0, "fake_logit": 0.0}, id="a family without these statistics"),
    ],
)
def test_half_a_sign_is_none(seen: dict[str, float]) -> None:
    watch = alarms(alarm_nimg=1)
    for nimg in (0, 100, 100_000):
        watch.check_step(seen, nimg)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_named_at_once(number: float) -> None:
    with pytest.raises(
        TrainingError, match=r"diverged at nimg 7: generator_loss became -?(nan|inf); try a lo"
    ):
        alarms().check_step({"generator_loss": number}, 7)


def test_a_weight_or_a_statistic_of_a_layer_that_is_not_finite_is_named() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    alarms().check_weights(network, 5)
    network[1].running_var[1] = torch.inf
    with pytest.raises(TrainingError, match=r"diverged at nimg 5: weight 1\.running_var is not finite"):
        alarms().check_weights(network, 5)


def test_a_loss_that_overflows_fp16_at_any_scale_is_named() -> None:
    alarms().check_scale("generator", 1.0, 5)
    with pytest.raises(
        TrainingError, match="the gradient of generator overflows FP16 at any scale; try prec"
    ):
        alarms().check_scale("generator", 2.0**-11, 5)
