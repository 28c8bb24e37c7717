from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from litho.errors import UsageError
from litho.training.data.dataset import Dataset
from litho.training.models import superres
from litho.training.networks.pixel_model import PixelModel
from litho.training.presets import resolve


@pytest.mark.parametrize(
    ("resolution", "channels", "factor", "blocks"), [(8, 1, 2, 0), (28, 3, 4, 1), (64, 3, 8, 2)]
)
def test_pictures_have_the_signature_s_shape(
    resolution: int, channels: int, factor: int, blocks: int
) -> None:
    generator = superres.Generator(
        resolution=resolution, channels=channels, factor=factor, width=4, blocks=blocks
    )
    signature = generator.signature()
    (source,) = signature.inputs
    small = resolution // factor
    assert (source.name, source.shape) == ("source", (small, small, channels))
    images = generator(torch.rand(3, channels, small, small) * 2 - 1)
    assert images.shape == (3, *(signature.output.shape[axis] for axis in (2, 0, 1)))


def test_a_picture_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    generator = superres.Generator(resolution=16, width=8, blocks=2).eval()
    picture = PixelModel(generator, generator.signature())
    source = torch.randint(256, (4, 4, 4, 3), dtype=torch.uint8)
    together = picture(source)
    for row in range(4):
        assert (picture(source[row : row + 1])[0].int() - together[row].int()).abs().max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_tasks_are_small_pictures_as_pillow_makes_them(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, channels), dtype=np.uint8)
    generator = superres.Generator(resolution=32, channels=channels, width=4, blocks=0)
    (source,) = generator.degrade(images).values()
    generator.signature().check({"source": source})
    for image, small in zip(images, source, strict=True):
        wanted = Image.fromarray(image.squeeze()).resize((8, 8), Image.Resampling.BICUBIC)
        assert np.abs(np.asarray(wanted).reshape(8, 8, channels).astype(int) - small).max() <= 1


def test_what_it_is_trained_on_is_what_it_is_asked_for(pairs: Dataset) -> None:
    generator = superres.Generator(resolution=16, width=4, blocks=0)
    asked = torch.from_numpy(generator.degrade(pairs.images)["source"]).permute(0, 3, 1, 2)
    trained_on = superres.reduced(pairs.batch(np.arange(len(pairs))).images, 4)
    torch.testing.assert_close(trained_on, asked.float() / 127.5 - 1)


def test_pictures_are_learned(pairs: Dataset, taught: Callable[..., list[float]]) -> None:
    recipe = resolve("superres-emoji", overrides={"width": "16", "blocks": "1", "lr": "5e-3", "batch": "8"})
    errors = taught(superres.Task.build(recipe, pairs), pairs, "squared_error", steps=60)
    assert sum(errors[-5:]) / 5 < 0.7 * errors[0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"factor": 3}, "factor 3 is not allowed for pictures of 64x64; expected 2, 4 or 8"),
        ({"factor": 8, "resolution": 28}, "factor 8 is not allowed for pictures of 28x28; .* a divisor"),
        ({"resolution": 36}, "resolution 36 is not allowed"),
    ],
)
def test_what_it_does_not_make(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        superres.Generator(**wrong)
