import pytest

from litho.errors import UnknownName, UsageError
from litho.training.models import family
from litho.training.presets import CPU, PRESETS, resolve
from litho.training.recipe import BUDGETS, Budget


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_recipe_of_its_family(preset: str, budget: Budget) -> None:
    recipe = resolve(preset, budget=budget)
    assert type(recipe) is family(recipe.family).recipe
    assert (recipe.preset, recipe.budget) == (preset, budget)
    assert type(recipe).model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("preset", CPU)
def test_a_small_budget_is_the_same_recipe_with_less_of_it(preset: str) -> None:
    full, small = resolve(preset), resolve(preset, budget="cpu")
    assert (small.family, small.data, small.resolution) == (full.family, full.data, full.resolution)
    assert small.nimg < full.nimg


def test_a_preset_without_a_small_line_is_the_same_in_both_budgets() -> None:
    full, small = resolve("cgan-digits"), resolve("cgan-digits", budget="cpu")
    assert full.model_copy(update={"budget": "cpu"}) == small


def test_the_command_line_wins_over_the_line() -> None:
    recipe = resolve(
        "cgan-digits", data="digits", overrides={"lr": "1e-4", "nimg": "640", "precision": "fp32"}
    )
    assert (recipe.lr, recipe.nimg, recipe.precision) == (1e-4, 640, "fp32")


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
        ("cgan-digits", {"lr": "fast"}, "recipe key 'lr' was given 'fast': .*valid number"),
        ("cgan-digits", {"lr": "nan"}, "recipe key 'lr' was given 'nan'"),
        ("cgan-digits", {"lr": "-1"}, "recipe key 'lr' was given '-1': .*greater than 0"),
        ("cgan-digits", {"batch": "0"}, "recipe key 'batch' was given '0': .*greater than or equal to 2"),
        ("cgan-digits", {"nimg": "1.5"}, "recipe key 'nimg' was given '1.5'"),
        ("cgan-digits", {"loss": "wasserstein"}, "recipe key 'loss' was given 'wasserstein': .*'hinge'"),
    ],
)
def test_what_cannot_be_asked_for(preset: str, overrides: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        resolve(preset, overrides=overrides)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, UnknownName) == str(caught.value).startswith("unknown")


def test_a_family_is_a_preset_that_needs_data_and_a_length() -> None:
    recipe = resolve("dcgan", data="digits", overrides={"nimg": "64"})
    assert (recipe.preset, recipe.family, recipe.data, recipe.nimg) == ("dcgan", "dcgan", "digits", 64)
    with pytest.raises(UsageError, match="preset 'dcgan' has no data; give --data"):
        resolve("dcgan", overrides={"nimg": "64"})
    with pytest.raises(UsageError, match=r"preset 'dcgan' has no nimg; give --set nimg=\.\.\."):
        resolve("dcgan", data="digits")
