import pytest

from litho.errors import UnknownName, UsageError
from litho.training.data import sources as data
from litho.training.data.dataset import Dataset
from litho.training.models import family, family_names
from litho.training.presets import resolve


def test_families_are_found_by_their_files() -> None:
    assert {"cgan", "dcgan"} <= set(family_names())
    assert "base" not in family_names()
    with pytest.raises(UnknownName, match="unknown family 'gcan'; did you mean"):
        family("gcan")


def test_a_conditional_family_refuses_data_without_labels() -> None:
    digits = data.load("digits")
    unlabelled = Dataset("photos", "unknown", digits.images)
    with pytest.raises(
        UsageError, match="data 'photos' has no labels; family 'cgan' needs them: take 'dcgan'"
    ):
        family("cgan").task.build(resolve("cgan-digits"), unlabelled)


def test_images_that_are_not_square_are_refused() -> None:
    digits = data.load("digits")
    wide = Dataset("wide", "unknown", digits.images[:, :16], digits.labels, digits.class_names)
    for name in ("cgan", "dcgan"):
        with pytest.raises(UsageError, match="16x32 images"):
            family(name).task.build(resolve(f"{name}-digits"), wide)
