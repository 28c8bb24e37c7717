import pytest

from litho.training.optim.schedule import learning_rate_factor
from litho.training.presets import resolve


@pytest.mark.parametrize(
    ("overrides", "factors"),
    [
        pytest.param({}, [1, 1, 1, 1, 1], id="constant"),
        pytest.param({"decay_nimg": "64"}, [1, 1, 1, 0.5, 0], id="a linear fall at the end"),
        pytest.param({"decay_nimg": "256"}, [1, 0.75, 0.5, 0.125, 0], id="a linear fall all the way"),
        pytest.param(
            {"decay_nimg": "256", "lr_decay": "cosine"},
            [1, 0.853553, 0.5, 0.038060, 0],
            id="half a cosine",
        ),
        pytest.param({"lr_rise_nimg": "32"}, [0.5, 1, 1, 1, 1], id="a rise"),
        pytest.param(
            {"lr_rise_nimg": "128", "decay_nimg": "128"}, [0.125, 0.625, 1, 0.25, 0], id="a rise and a fall"
        ),
    ],
)
def test_learning_rates_at_some_points_of_256_images(overrides: dict[str, str], factors: list[float]) -> None:
    recipe = resolve("cgan-digits", overrides={"nimg": "256", "batch": "16", **overrides})
    measured = [learning_rate_factor(nimg, recipe) for nimg in (0, 64, 128, 224, 256)]
    assert measured == pytest.approx(factors, abs=1e-6)


def test_no_step_of_a_rise_is_lost() -> None:
    recipe = resolve("cgan-digits", overrides={"nimg": "256", "batch": "16", "lr_rise_nimg": "64"})
    assert [learning_rate_factor(nimg, recipe) for nimg in (0, 16, 32, 48)] == [0.25, 0.5, 0.75, 1]
