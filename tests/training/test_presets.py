import pytest

from litho.errors import UsageError
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


def test_a_family_is_a_preset_that_needs_data_and_a_length() -> None:
    recipe = resolve("dcgan", data="digits", overrides={"nimg": "64"})
    assert (recipe.preset, recipe.family, recipe.data, recipe.nimg) == ("dcgan", "dcgan", "digits", 64)
    with pytest.raises(UsageError, match="preset 'dcgan' has no data; give --data"):
        resolve("dcgan", overrides={"nimg": "64"})
    with pytest.raises(UsageError, match=r"preset 'dcgan' has no nimg; give --set nimg=\.\.\."):
        resolve("dcgan", data="digits")
