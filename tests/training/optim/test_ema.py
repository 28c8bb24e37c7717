import pytest
import torch
from hypothesis import given, strategies as st

from litho.training.models import family
from litho.training.optim.ema import WeightEma, average_decay


@given(st.floats(10, 1e6), st.integers(1, 512))
def test_half_of_the_average_is_left_after_a_half_life(half_life: float, batch: int) -> None:
    assert average_decay(10**9, batch, half_life) ** (half_life / batch) == pytest.approx(0.5)


@given(st.integers(1, 10**6), st.integers(1, 512), st.floats(10, 1e6))
def test_early_on_the_average_forgets_sooner(nimg: int, batch: int, half_life: float) -> None:
    assert 0 <= average_decay(nimg, batch, half_life) <= average_decay(10**9, batch, half_life) < 1


def test_weights_and_statistics_are_averaged_and_counters_copied() -> None:
    generator = family("dcgan").generator(width=2, latent_size=3)
    average = WeightEma(generator, half_life_nimg=16)
    assert not average.generator.training
    before = {name: value.clone() for name, value in average.generator.state_dict().items()}
    with torch.no_grad():
        for value in generator.state_dict().values():
            value.add_(2)
    average.update(nimg=10**6, batch=16)
    for name, value in average.generator.state_dict().items():
        gain = 1 if value.is_floating_point() else 2
        torch.testing.assert_close(value, before[name] + gain)


def test_a_source_that_stands_still_is_reached() -> None:
    generator = family("dcgan").generator(width=2, latent_size=3)
    average = WeightEma(generator, half_life_nimg=1e9)
    with torch.no_grad():
        generator.project.weight.add_(1)
    for step in range(1, 2000):
        average.update(nimg=16 * step, batch=16)
    torch.testing.assert_close(average.generator.project.weight, generator.project.weight, atol=1e-4, rtol=0)
