"""Parts of an evaluation against generators whose figures are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from litho.errors import EvaluationError, UsageError
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, seed_field
from litho.training.data.dataset import Dataset
from litho.training.data.scenes import Scene, arrange, draw
from litho.training.data.sources import load
from litho.training.data.sources.stacked_mnist import stacked
from litho.training.evaluation import (
    EvaluationContext,
    EvaluationSettings,
    FeatureNet,
    Figure,
    feature_net,
    measure,
)
from litho.training.evaluation.parts.captions import attributes_shown, rank_shares
from litho.training.evaluation.parts.samples import between
from litho.training.evaluation.parts.translation import baseline
from litho.training.models import Generator, inpaint, superres

from .conftest import Copier, Translator, context_of

Split = tuple[Dataset, Dataset]


def figures_of(context: EvaluationContext) -> dict[str, Figure]:
    sections, _ = measure(context)
    assert [section.failure for section in sections if section.failure] == []
    return {figure.metric: figure for section in sections for figure in section.figures}


@pytest.fixture(scope="module")
def perfect(digits: Split, digits_net: FeatureNet) -> dict[str, Figure]:
    return figures_of(context_of(Copier(digits[1]), digits, digits_net))


def test_pictures_like_the_real_ones_are_at_the_floor(perfect: dict[str, Figure]) -> None:
    for name in ("FD-digits", "precision", "recall", "coverage", "label accuracy (GAN-test)"):
        figure = perfect[name]
        assert figure.reference is not None
        assert figure.baseline is not None
        assert abs(figure.value - figure.reference) < 0.5 * abs(figure.baseline - figure.reference), name


def test_floor_and_ceiling_are_on_the_sides_that_the_figure_says(perfect: dict[str, Figure]) -> None:
    for figure in perfect.values():
        if figure.reference is not None and figure.baseline is not None and "density" not in figure.metric:
            assert (figure.reference < figure.baseline) == (figure.better == "lower"), figure.metric


def test_labels_that_are_one_off_are_all_wrong(digits: Split, digits_net: FeatureNet, perfect: dict) -> None:
    shifted = figures_of(context_of(Copier(digits[1], shift=1), digits, digits_net))
    assert perfect["label accuracy (GAN-test)"].value > 0.9
    assert shifted["label accuracy (GAN-test)"].value < 0.1
    assert perfect["GAN-train accuracy"].value > 0.8
    assert shifted["GAN-train accuracy"].value < 0.2


def test_a_generator_of_one_class_has_precision_without_recall(digits: Split, digits_net: FeatureNet) -> None:
    test = digits[1]
    assert test.labels is not None
    threes = test.select(np.flatnonzero(test.labels == 3))
    found = figures_of(context_of(Copier(threes, conditional=False), digits, digits_net))
    assert found["recall"].value < 0.25 < found["precision"].value
    assert found["FD-digits"].value > 10 * found["FD-digits"].reference
    assert "label accuracy (GAN-test)" not in found


def test_training_images_given_back_are_noticed(digits: Split, digits_net: FeatureNet) -> None:
    learned = figures_of(context_of(Copier(digits[0], conditional=False), digits, digits_net))
    unseen = figures_of(context_of(Copier(digits[1], conditional=False), digits, digits_net))
    name = "nearer to training images than 95 % of test images"
    assert learned[name].value > 0.99
    assert unseen[name].value < 0.15


def test_every_set_of_a_comparison_is_of_one_size(perfect: dict[str, Figure], digits: Split) -> None:
    assert perfect["FD-digits"].n == min(400, len(digits[1]))
    assert perfect["label accuracy (GAN-test)"].n == 400


def test_two_measurements_give_the_same_figures(digits: Split, digits_net: FeatureNet, perfect: dict) -> None:
    assert figures_of(context_of(Copier(digits[1]), digits, digits_net)) == perfect


@pytest.fixture(scope="module")
def thousand(digits: Split) -> Split:
    train, test = digits
    return stacked("stacked", train, 8_000, seed=0), stacked("stacked", test, 1_000, seed=1)


@pytest.mark.slow
def test_modes_of_stacked_digits(thousand: Split) -> None:
    net = feature_net(*thousand)
    assert net.info.task == "channels"
    assert thousand[0].labels is not None
    every = figures_of(context_of(Copier(thousand[0], conditional=False), thousand, net))
    some = thousand[0].select(np.flatnonzero(thousand[0].labels < 100))
    tenth = figures_of(context_of(Copier(some, conditional=False), thousand, net))
    assert every["modes"].n == 26_000
    assert every["modes"].value > 990
    assert every["KL to the real modes"].value < 0.1
    assert 100 <= tenth["modes"].value < 300
    assert tenth["KL to the real modes"].value == pytest.approx(np.log(10), abs=0.3)


@pytest.fixture(scope="module")
def pairs() -> tuple[Split, FeatureNet]:
    train, test = load("shapes-pairs", resolution=16).split()
    some = train.select(np.arange(300)), test.select(np.arange(60))
    return some, feature_net(*some)


def test_a_translation_that_gives_its_source_back_is_at_the_ceiling(pairs: tuple[Split, FeatureNet]) -> None:
    found = figures_of(context_of(Translator(pairs[0][1], knows=False), *pairs))
    for figure in found.values():
        assert figure.value == pytest.approx(figure.baseline)
        assert figure.baseline_of == "identity"


def test_a_translation_that_is_right_is_at_the_floor(pairs: tuple[Split, FeatureNet]) -> None:
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


class Painter(Generator):
    """Draws the scenes of its captions, rightly or always with a red thing first."""

    latent_size = 4

    def __init__(self, *, only_red: bool = False) -> None:
        super().__init__()
        self.only_red = only_red

    def forward(self, latent: Tensor, caption: list[str]) -> Tensor:
        drawn = []
        for chances, text in zip(torch.special.ndtr(latent).tolist(), caption, strict=True):
            scene = Scene.parse(text).canonical
            if self.only_red:
                scene = replace(scene, first=replace(scene.first, colour="red"))
            drawn.append(draw(scene, arrange(scene, [min(chance, 0.999) for chance in chances])))
        return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 127.5 - 1

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        caption = Field(name="caption", role=Role.PROMPT, dtype="BYTES")
        return Signature(inputs=(seed_field(), caption), output=image_output(32, 32, 3))


@pytest.mark.slow
def test_attributes_of_captions(pairs: tuple[Split, FeatureNet]) -> None:
    train, test = load("shapes").split()
    data = train.select(np.arange(150)), test.select(np.arange(100))
    net = feature_net(*data)
    right = figures_of(context_of(Painter(), data, net, samples=100))
    red = figures_of(context_of(Painter(only_red=True), data, net, samples=100))
    name = "attribute accuracy, test captions"
    assert right[name].value > 0.99
    assert right[name].reference > 0.99
    assert right[name].baseline < 0.6
    # One of seven attributes is wrong unless it happens to be red.
    assert red[name].value == pytest.approx(1 - 5 / 6 / 7, abs=0.04)
    assert red["whole scenes right, test captions"].value < 0.4


def test_attributes_are_read_whichever_thing_the_caption_names_first() -> None:
    scene = Scene.parse("a small red circle left of a large blue square")
    picture = draw(scene, arrange(scene, [0.5] * 4))
    assert attributes_shown(picture, "a large blue square right of a small red circle").all()
    shown = attributes_shown(picture, "a small red circle above a large green square")
    assert shown.sum() == 5
    assert not attributes_shown(np.full((32, 32, 3), 255, np.uint8), scene.caption).any()


def test_ranks_of_the_right_drawing() -> None:
    among = torch.arange(100.0, dtype=torch.float64)[:, None]
    made = torch.tensor([[0.1], [50.2], [99.0]], dtype=torch.float64)
    assert rank_shares(made, among, np.array([0, 50, 89])).tolist() == pytest.approx([0, 0, 0.10])


def test_a_walk_stays_as_far_from_the_middle_as_its_ends() -> None:
    start, end = np.random.default_rng(0).standard_normal((2, 64)).astype(np.float32)
    end *= np.linalg.norm(start) / np.linalg.norm(end)
    walk = between(start, end, 7)
    assert walk.shape == (7, 64)
    assert np.allclose(walk[0], start, atol=1e-5)
    assert np.allclose(walk[-1], end, atol=1e-5)
    assert np.allclose(np.linalg.norm(walk, axis=1), np.linalg.norm(start), rtol=1e-4)
    assert np.allclose(between(start, start, 3), start, atol=1e-5)


def test_what_does_not_fit_the_generator_is_refused(digits: Split, digits_net: FeatureNet) -> None:
    generator = Copier(digits[1])
    larger = replace(digits[0], images=digits[0].images.repeat(2, 1).repeat(2, 2))
    with pytest.raises(UsageError, match=r"pictures of \(8, 8, 1\)"):
        EvaluationContext(
            generator, generator.signature(), larger, digits[1], digits_net, EvaluationSettings(10)
        )
    with pytest.raises(UsageError, match="field 'steps' cannot be set; allowed: none"):
        EvaluationContext(
            generator, generator.signature(), *digits, digits_net, EvaluationSettings(10, {"steps": 3})
        )
