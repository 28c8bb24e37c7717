from typing import Any

import numpy as np
import pytest
import torch

from litho.errors import EvaluationError
from litho.training.data.dataset import Dataset
from litho.training.evaluation.context import EvaluationContext
from litho.training.evaluation.explanation.picture_files import PictureFiles
from litho.training.evaluation.explanation.words import EXAMPLES, explain_words, word_of_token, words_of
from litho.training.models import family

from ..conftest import context_of
from .conftest import untrained_net


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a red circle", ["a", "red", "circle"]),
        ("  красный\n круг, 赤い  ", ["красный", "круг,", "赤い"]),
        ("", []),
        (" \t", []),
    ],
)
def test_words_are_parted_by_spaces(prompt: str, words: list[str]) -> None:
    assert [prompt[slice(*span)] for span in words_of(prompt)] == words


def test_a_token_belongs_to_the_word_that_most_of_it_lies_in() -> None:
    words = words_of("a red  circle")
    tokens = [(0, 1), (1, 5), (3, 5), (5, 7), (6, 13), (12, 13), (13, 14)]
    assert [word_of_token(token, words) for token in tokens] == [0, 1, 1, 2, 2, 2, None]


@pytest.fixture(scope="module")
def flow() -> EvaluationContext:
    """A tiny flow on scenes; its last layer, which starts at zero, is random."""
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    captions = tuple(f"a large red circle left of a small blue cross {number}" for number in range(20))
    data = Dataset("words", None, images, captions=captions)
    torch.manual_seed(0)
    generator: Any = family("flow").generator(resolution=8, width=8, depth=1, text_depth=0, token_count=24)
    torch.nn.init.normal_(generator.denoiser.to_pixels.weight)
    for block in generator.denoiser.blocks:
        for name, weight in block.named_parameters():
            if "modulation" in name:
                torch.nn.init.normal_(weight)
    return context_of(generator.requires_grad_(False), (data, data), untrained_net(3), samples=10)


def test_every_word_has_a_share_by_both_methods(flow: EvaluationContext) -> None:
    files = PictureFiles()
    examples = explain_words(flow, files)
    assert len(examples) == EXAMPLES
    for example in examples:
        prompt, (occlusion, gradients) = str(example.inputs["prompt"]), example.attributions
        names = prompt.split()
        assert [cause.name for cause in occlusion.causes] == names
        assert [prompt[slice(*cause.span or ())] for cause in gradients.causes] == names
        assert sum(cause.share for cause in occlusion.causes) == pytest.approx(1)
        shares = sum(cause.share for cause in gradients.causes)
        assert shares + gradients.remainder == pytest.approx(1)
        assert abs(gradients.remainder) < 0.05
        assert {cause.map for cause in occlusion.causes} <= files.contents.keys()
        # The picture is the one that a request with these inputs gets.
        made = flow.make({name: np.array([value]) if name != "prompt" else np.array([value], object)
                          for name, value in example.inputs.items()})  # fmt: skip
        check = PictureFiles()
        check.add(example.name, made[0])
        assert check.contents[example.made] == files.contents[example.made]


def test_words_beyond_the_last_token_have_no_share(flow: EvaluationContext) -> None:
    # Bytes are tokens here, and there are 24 of them.
    for example in explain_words(flow, PictureFiles()):
        beyond = [
            (occlusion, gradients)
            for occlusion, gradients in zip(*(each.causes for each in example.attributions), strict=True)
            if (occlusion.span or (0,))[0] > 24
        ]
        assert beyond
        assert all((one.change, one.share, other.share) == (0, 0, 0) for one, other in beyond)


def test_a_text_without_effect_is_refused(flow: EvaluationContext) -> None:
    generator: Any = flow.generator
    weight = generator.denoiser.to_pixels.weight
    kept = weight.clone()
    try:
        weight.zero_()
        with pytest.raises(EvaluationError, match="equals that of the baseline"):
            explain_words(flow, PictureFiles())
    finally:
        weight.copy_(kept)
