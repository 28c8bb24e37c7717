from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from litho.signature import with_latent
from litho.signature.fields import Role
from litho.signature.noise import gaussian
from litho.training.networks.pixel_model import PixelModel
from litho.training.networks.staged import StagedGenerator
from litho.training.run.snapshot import load_snapshot

PROMPTS = ("a large red circle", "", "маленький синий квадрат", "红色的圆", "🔴 above 🟦", "blue " * 300)
STEPS = (1, 64, 3, 8, 2, 5)
GUIDANCE = (0.0, 1.0, 10.0, 2.5, 1.5, 4.0)


@pytest.fixture(scope="module")
def picture(flow_run: Path) -> PixelModel:
    return load_snapshot(flow_run).picture()


@pytest.fixture(scope="module")
def generator(picture: PixelModel) -> StagedGenerator:
    assert isinstance(picture.generator, StagedGenerator)
    return picture.generator


@torch.inference_mode()
def draw(
    picture: PixelModel,
    seeds: Sequence[int],
    prompts: Sequence[str],
    steps: Sequence[int],
    guidance: Sequence[float],
) -> NDArray[np.uint8]:
    given = (torch.tensor(seeds), list(prompts), torch.tensor(steps), torch.tensor(guidance))
    return picture(*given).numpy()


def assert_same(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> None:
    """Within the determinism contract."""
    apart = np.abs(first.astype(int) - second)
    assert apart.max() <= 1
    assert (apart == 0).mean() >= 0.999


def test_a_picture_does_not_depend_on_its_batch(picture: PixelModel) -> None:
    seeds = range(len(PROMPTS))
    together = draw(picture, seeds, PROMPTS, STEPS, GUIDANCE)
    backwards = draw(picture, *(tuple(values)[::-1] for values in (seeds, PROMPTS, STEPS, GUIDANCE)))
    assert_same(together, backwards[::-1])
    for row in seeds:
        alone = draw(picture, [row], PROMPTS[row : row + 1], STEPS[row : row + 1], GUIDANCE[row : row + 1])
        assert_same(together[row : row + 1], alone)
    assert len(np.unique(together.reshape(len(seeds), -1), axis=0)) == len(seeds)


def test_steps_guidance_and_prompt_each_change_the_picture(picture: PixelModel) -> None:
    pictures = draw(picture, [7] * 5, ["blue"] * 4 + ["red"], [3, 4, 3, 3, 3], [2.0, 2.0, 0.5, 2.0, 2.0])
    assert not (pictures[0] == pictures[1]).all()
    assert not (pictures[0] == pictures[2]).all()
    assert (pictures[0] == pictures[3]).all()
    assert not (pictures[0] == pictures[4]).all()


def test_without_guidance_the_prompt_says_nothing(picture: PixelModel) -> None:
    blue, red = draw(picture, [7, 7], ["blue", "red"], [4, 4], [0.0, 0.0])
    assert_same(blue[None], red[None])


def test_what_does_not_fit_into_the_tokens_makes_no_difference(picture: PixelModel) -> None:
    first, second = draw(picture, [7, 7], ["blue " * 8, "blue " * 8 + "red"], [4, 4], [2.0, 2.0])
    assert (first == second).all()


@torch.inference_mode()
def test_the_stages_run_by_hand_give_the_same_picture(
    picture: PixelModel, generator: StagedGenerator
) -> None:
    (encode, _), (denoise, _), (decode, _) = generator.stages().values()
    prompt, seed, steps, guidance = "a large red circle", 11, 5, 3.0
    embedding = encode(generator.tokens([prompt]))
    sample = gaussian(torch.tensor([seed]), generator.latent_size).reshape(1, *generator.sample_shape)
    for step in range(steps):
        time, length, strength = (torch.tensor([value]) for value in (step / steps, 1 / steps, guidance))
        sample = denoise(sample, time, length, embedding, strength)
    assert_same(decode(sample).numpy(), draw(picture, [seed], [prompt], [steps], [guidance]))


@torch.inference_mode()
def test_each_stage_gives_what_its_signature_says(generator: StagedGenerator) -> None:
    assert list(generator.stages()) == ["text_encoder", "denoiser", "decoder"]
    for stage, signature in generator.stages().values():
        assert not stage.training
        inputs = signature.check(signature.example(3))
        output = stage(*(torch.from_numpy(value) for value in inputs.values())).numpy()
        assert output.shape == (3, *signature.output.shape)
        assert output.dtype == signature.output.numpy_dtype


@torch.inference_mode()
def test_noise_given_as_a_latent_is_the_seed_s(picture: PixelModel, generator: StagedGenerator) -> None:
    walk = PixelModel(generator, with_latent(picture.signature, generator.latent_size))
    noise = gaussian(torch.tensor([5]), generator.latent_size)
    made = walk(noise, ["blue"], torch.tensor([4]), torch.tensor([2.0])).numpy()
    assert_same(made, draw(picture, [5], ["blue"], [4], [2.0]))


def test_its_signature_fills_in_steps_and_guidance(generator: StagedGenerator) -> None:
    signature = generator.signature()
    checked = signature.check({"seed": np.array([1]), "prompt": np.array(["blue"], object)})
    assert checked["steps"].tolist() == [8]
    assert checked["guidance"].tolist() == [generator.default_guidance]
    steps, guidance = signature.field(Role.STEPS), signature.field(Role.GUIDANCE)
    assert steps is not None
    assert guidance is not None
    assert (steps.minimum, steps.maximum) == (1, 64)
    assert (guidance.minimum, guidance.maximum) == (0, 10)
