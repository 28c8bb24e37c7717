import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from litho.errors import UsageError
from litho.noise import MAX_SEED, gaussian
from litho.signature import Field, Role, Signature, image_output, latent_field
from litho.training.models import family
from litho.training.picture import Picture, to_pixels, with_latent

seeds = st.lists(st.integers(0, MAX_SEED), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return family("cgan").generator(classes=3, width=4, latent_size=7).eval()


@given(seeds, st.integers(0, 2))
def test_a_picture_depends_on_its_seed_and_label_alone(generator, values: list[int], label: int) -> None:
    picture = Picture(generator, generator.signature())
    labels = torch.full((len(values),), label)
    with torch.inference_mode():
        together = picture(torch.tensor(values), labels)
        alone = torch.cat([picture(torch.tensor([seed]), labels[:1]) for seed in values])
    assert together.dtype == torch.uint8
    assert together.shape == (len(values), 32, 32, 1)
    assert (together.int() - alone.int()).abs().max() <= 1


@given(seeds)
def test_the_seed_s_noise_as_a_latent_gives_the_same_picture(generator, values: list[int]) -> None:
    signature = generator.signature()
    latent_signature = with_latent(signature, generator.latent_size)
    assert [field.role for field in latent_signature.inputs] == [Role.LATENT, Role.LABEL]
    noise = torch.from_numpy(gaussian(np.array(values), generator.latent_size))
    labels = torch.zeros(len(values), dtype=torch.int64)
    with torch.inference_mode():
        from_seed = Picture(generator, signature)(torch.tensor(values), labels)
        from_latent = Picture(generator, latent_signature)(noise, labels)
    assert (from_seed.int() - from_latent.int()).abs().max() <= 1


def test_every_grey_level_comes_back_from_the_range_that_training_sees() -> None:
    levels = torch.arange(256, dtype=torch.float32).view(1, 1, 16, 16)
    assert torch.equal(to_pixels(levels / 127.5 - 1), levels.to(torch.uint8).permute(0, 2, 3, 1))


def test_values_beyond_the_range_are_clipped() -> None:
    beyond = torch.tensor([-9.0, -1.0, 1.0, 9.0]).view(1, 1, 2, 2)
    assert to_pixels(beyond).flatten().tolist() == [0, 0, 255, 255]


def test_a_signature_without_noise_is_refused(generator) -> None:
    image = Field(name="source", role=Role.IMAGE, dtype="UINT8", shape=(32, 32, 1))
    with pytest.raises(UsageError, match="the first input is 'source'"):
        Picture(generator, Signature(inputs=(image,), output=image_output(32, 32, 1)))


def test_a_latent_of_another_size_is_refused(generator) -> None:
    with pytest.raises(UsageError, match=r"latent of shape \(8,\): this generator takes \(7,\)"):
        Picture(generator, Signature(inputs=(latent_field(8),), output=image_output(32, 32, 1)))
