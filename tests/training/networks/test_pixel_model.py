import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from litho.errors import UsageError
from litho.signature import Signature, with_latent
from litho.signature.fields import (
    Field,
    Role,
    image_output,
    latent_field,
    mask_field,
    seed_field,
    source_field,
)
from litho.signature.noise import MAX_SEED, gaussian
from litho.training.models import Generator, family
from litho.training.networks.pixel_model import PixelModel

seeds = st.lists(st.integers(0, MAX_SEED), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return family("cgan").generator(classes=3, width=4, latent_size=7).eval()


@pytest.mark.slow
@given(seeds, st.integers(0, 2))
def test_a_picture_depends_on_its_seed_and_label_alone(generator, values: list[int], label: int) -> None:
    picture = PixelModel(generator, generator.signature())
    labels = torch.full((len(values),), label)
    with torch.inference_mode():
        together = picture(torch.tensor(values), labels, torch.ones(len(values)))
        alone = torch.cat([picture(torch.tensor([seed]), labels[:1], torch.ones(1)) for seed in values])
    assert together.dtype == torch.uint8
    assert together.shape == (len(values), 32, 32, 1)
    assert (together.int() - alone.int()).abs().max() <= 1


@given(seeds)
def test_the_seed_s_noise_as_a_latent_gives_the_same_picture(generator, values: list[int]) -> None:
    signature = generator.signature()
    latent_signature = with_latent(signature, generator.latent_size)
    assert [field.role for field in latent_signature.inputs] == [Role.LATENT, Role.LABEL, Role.TRUNCATION]
    noise = torch.from_numpy(gaussian(np.array(values), generator.latent_size))
    labels, truncation = torch.zeros(len(values), dtype=torch.int64), torch.ones(len(values))
    with torch.inference_mode():
        from_seed = PixelModel(generator, signature)(torch.tensor(values), labels, truncation)
        from_latent = PixelModel(generator, latent_signature)(noise, labels, truncation)
    assert (from_seed.int() - from_latent.int()).abs().max() <= 1


class Repainter(Generator):
    """Gives the source outside the hole, and inside it black plus what noise there is."""

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.latent_size = latent_size

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        *noise, source, mask = inputs
        assert source.dtype == mask.dtype == torch.float32
        assert mask.shape == (len(source), 1, *source.shape[2:])
        fill = sum((latent.mean(1)[:, None, None, None] / 100 for latent in noise), -torch.ones(1))
        return torch.where(mask == 1, fill, source)

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        seed = (seed_field(),) if self.latent_size else ()
        return Signature(
            inputs=(*seed, source_field(8, 5, 3), mask_field(8, 5)), output=image_output(8, 5, 3)
        )


@pytest.mark.parametrize("latent_size", [0, 2])
def test_images_and_masks_reach_the_network_as_floats_with_channels_first(latent_size: int) -> None:
    generator = Repainter(latent_size)
    picture = PixelModel(generator, generator.signature())
    inputs = picture.signature.example(6)
    inputs["mask"][0, 0, 0] = 1  # any value but 0 is the hole
    images = picture(*map(torch.from_numpy, inputs.values())).numpy()
    hole = np.broadcast_to(inputs["mask"] > 0, images.shape)
    assert hole[0, 0, 0].all()
    assert np.array_equal(images[~hole], inputs["source"][~hole])
    assert images[hole].max() <= 5


@pytest.mark.parametrize(
    ("latent_size", "inputs", "complaint"),
    [
        (
            3,
            (source_field(8, 8, 1),),
            "the inputs source; expected a seed or a latent as the first input only",
        ),
        (3, (source_field(8, 8, 1), seed_field()), "the inputs source, seed; expected a seed or a latent"),
        (3, (seed_field(), latent_field(3)), "the inputs seed, latent; expected a seed or a latent"),
        (0, (seed_field(), source_field(8, 8, 1)), "the inputs seed, source; expected neither"),
    ],
)
def test_a_signature_with_other_noise_than_the_generator_s_is_refused(
    latent_size: int, inputs: tuple[Field, ...], complaint: str
) -> None:
    with pytest.raises(UsageError, match=f"latent_size {latent_size} was given {complaint}"):
        PixelModel(Repainter(latent_size), Signature(inputs=inputs, output=image_output(8, 8, 1)))


def test_a_latent_of_another_size_is_refused(generator) -> None:
    with pytest.raises(UsageError, match=r"latent of shape \(8,\); expected \(7,\)"):
        PixelModel(generator, Signature(inputs=(latent_field(8),), output=image_output(32, 32, 1)))
