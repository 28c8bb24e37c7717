from dataclasses import replace

import numpy as np
import pytest
import torch

from litho.errors import EvaluationError
from litho.training.evaluation.evaluate import measure
from litho.training.evaluation.feature_net import FeatureNet
from litho.training.evaluation.parts.translation import baseline
from litho.training.models import inpaint, superres

from ..conftest import Split, Translator, context_of
from .conftest import figures_of

pytestmark = pytest.mark.slow


def test_a_translation_that_gives_its_source_back_is_at_the_baseline(pairs: tuple[Split, FeatureNet]) -> None:
    found = figures_of(context_of(Translator(pairs[0][1], knows=False), *pairs))
    for figure in found.values():
        assert figure.value == pytest.approx(figure.baseline)
        assert figure.baseline_of == "identity"


def test_a_translation_that_is_right_is_at_the_reference(pairs: tuple[Split, FeatureNet]) -> None:
    found = figures_of(context_of(Translator(pairs[0][1], knows=True), *pairs))
    assert found["L1"].value == 0 < found["L1"].baseline
    assert found["SSIM"].value == pytest.approx(1)
    assert found["PSNR"].value == 100
    distance = found["FD-shapes-pairs to the target's kind"]
    assert distance.value == pytest.approx(distance.reference)


def test_a_translation_without_pairs_fails_and_says_so(pairs: tuple[Split, FeatureNet]) -> None:
    (train, test), net = pairs
    alone = replace(train, sources=None), replace(test, sources=None)
    sections, panels = measure(context_of(Translator(test, knows=False), alone, net))
    (section,) = [section for section in sections if section.part == "translation"]
    assert "has no pairs" in section.failure
    assert section.figures == ()
    assert "translation" not in panels


def test_small_pictures_are_made_from_large_ones_and_compared_with_bicubic(
    pairs: tuple[Split, FeatureNet],
) -> None:
    torch.manual_seed(0)
    generator = superres.Generator(resolution=16, factor=2, width=4, blocks=0)
    for weights in generator.layers[-1].parameters():
        torch.nn.init.zeros_(weights)
    found = figures_of(context_of(generator, *pairs))
    # Bilinear interpolation is all that it does.
    assert {figure.baseline_of for figure in found.values()} == {"bicubic"}
    assert found["PSNR"].baseline - 3 < found["PSNR"].value < found["PSNR"].baseline
    assert (
        found["FD-shapes-pairs to the target's kind"].value
        > found["FD-shapes-pairs to the target's kind"].reference
    )


def test_holes_are_cut_into_pictures_and_compared_with_their_mean(pairs: tuple[Split, FeatureNet]) -> None:
    torch.manual_seed(0)
    generator = inpaint.Generator(resolution=16, channels=3, width=2)
    found = figures_of(context_of(generator, *pairs))
    assert {figure.baseline_of for figure in found.values()} == {"mean fill"}
    # Grey in the holes of pictures on white, where what is known is right.
    inside = found["PSNR inside the mask"]
    assert inside.value < inside.baseline < found["PSNR"].baseline
    assert found["PSNR"].value > inside.value + 6


def test_the_baseline_is_the_source_or_the_enlarged_source_or_the_mean_of_what_is_known() -> None:
    source = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    name, same = baseline(source, None, (8, 8, 3))
    assert name == "identity"
    assert np.array_equal(same, source)
    name, large = baseline(source, None, (32, 32, 3))
    assert (name, large.shape) == ("bicubic", (3, 32, 32, 3))
    hole = np.zeros((3, 8, 8), bool)
    hole[:, 2:5, 2:5] = True
    name, filled = baseline(source, hole, (8, 8, 3))
    assert name == "mean fill"
    assert np.array_equal(filled[~hole], source[~hole])
    assert np.abs(filled[hole].reshape(3, -1, 3)[:, 0] - source[~hole].reshape(3, -1, 3).mean(1)).max() <= 0.5
    with pytest.raises(EvaluationError, match="no baseline"):
        baseline(source[..., :1], None, (8, 8, 3))
