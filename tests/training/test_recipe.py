import pytest

from litho.errors import UnknownName, UsageError
from litho.training.presets import resolve


def test_the_last_step_reaches_the_images_asked_for() -> None:
    recipe = resolve("cgan-digits", overrides={"nimg": "100", "batch": "32"})
    assert recipe.steps == 4


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        (
            "cgan-digit",
            {},
            r"unknown preset 'cgan-digit'; did you mean 'cgan-digits'\? \(known: .*dcgan-digits",
        ),
        ("cgan-digits", {"lrr": "1"}, r"unknown recipe key 'lrr'; did you mean 'lr'\? \(known: .*batch"),
        ("cgan-digits", {"family": "dcgan"}, "unknown recipe key 'family'"),
        ("cgan-digits", {"budget": "cpu"}, "unknown recipe key 'budget'"),
        ("cgan-digits", {"lr": "fast"}, "recipe key 'lr' was given 'fast'; expected a number"),
        ("cgan-digits", {"lr": "nan"}, "recipe key 'lr' was given 'nan'"),
        ("cgan-digits", {"lr": "-1"}, "recipe key 'lr' was given '-1'; expected more than 0"),
        ("cgan-digits", {"batch": "0"}, "recipe key 'batch' was given '0'; expected at least 2"),
        ("cgan-digits", {"nimg": "1.5"}, "recipe key 'nimg' was given '1.5'"),
        (
            "cgan-digits",
            {"loss": "wasserstein"},
            "recipe key 'loss' was given 'wasserstein'; expected .*'hinge'",
        ),
    ],
)
def test_what_cannot_be_asked_for(preset: str, overrides: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        resolve(preset, overrides=overrides)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, UnknownName) == str(caught.value).startswith("unknown")
