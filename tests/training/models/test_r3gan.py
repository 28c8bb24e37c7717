from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings, strategies as st

from litho.bundle import Bundle
from litho.errors import UsageError
from litho.training.models import r3gan
from litho.training.networks.layers import ResidualBlock


@pytest.mark.slow
def test_it_goes_the_whole_line(
    prove: Callable[..., Bundle], assert_served: Callable[[Bundle], None]
) -> None:
    bundle = prove("r3gan-stacked", most_channels=8)
    assert bundle.manifest.family == "r3gan"
    assert_served(bundle)


@settings(max_examples=10)
@given(
    st.sampled_from([(8, 1), (28, 1), (32, 1), (28, 2), (32, 2), (32, 4)]),
    st.sampled_from([1, 3]),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_pictures_are_made_and_judged(
    sides: tuple[int, int], channels: int, latent_size: int, blocks: int
) -> None:
    resolution, patch = sides
    generator = r3gan.Generator(
        resolution=resolution,
        channels=channels,
        latent_size=latent_size,
        width=2,
        most_channels=6,
        blocks=blocks,
        patch=patch,
    )
    images = generator(torch.randn(4, latent_size))
    assert images.shape == (4, channels, resolution, resolution)
    assert generator.signature().output.shape == (resolution, resolution, channels)
    assert r3gan.Discriminator(resolution, channels, 2, 6, blocks, patch)(images).shape == (4,)


@pytest.mark.parametrize(("resolution", "patch"), [(32, 3), (8, 2), (28, 4)])
def test_patches_must_leave_a_picture_of_doublings(resolution: int, patch: int) -> None:
    with pytest.raises(UsageError, match=f"^(patch {patch}|resolution {resolution // patch}) is not allowed"):
        r3gan.Generator(resolution=resolution, patch=patch)


@pytest.mark.parametrize("depth", [1, 30])
def test_a_block_begins_as_the_identity_and_the_smaller_the_deeper_it_lies(depth: int) -> None:
    torch.manual_seed(0)
    block, features = ResidualBlock(32, depth), torch.randn(2, 32, 5, 5)
    assert torch.equal(block(features), features)
    inside = block.branch[:4](torch.randn(8, 32, 9, 9))
    # Each of two convolutions is scaled by depth^(-1/4); a leaky ReLU of unit variance has a square of 1.
    assert inside.square().mean().item() == pytest.approx(1 / depth, rel=0.3)


def test_a_new_network_keeps_the_variance_of_its_latent() -> None:
    torch.manual_seed(0)
    generator = r3gan.Generator(width=16, most_channels=64)
    assert 0.2 < generator(torch.randn(64, 64)).std() < 2


def test_a_discriminator_has_no_statistics_of_its_batch() -> None:
    torch.manual_seed(0)
    discriminator, images = r3gan.Discriminator(16, 3, 4, 8, 1), torch.randn(6, 3, 16, 16)
    alone = torch.cat([discriminator(image[None]) for image in images])
    torch.testing.assert_close(discriminator(images), alone, rtol=1e-5, atol=1e-5)


def test_the_layout_changes_the_time_of_a_training_and_not_the_pictures_of_a_snapshot() -> None:
    torch.manual_seed(0)
    generator, latent = r3gan.Generator(width=8, most_channels=16, latent_size=6), torch.randn(4, 6)
    seen: list[bool] = []
    first = next(generator.stages.children())
    first.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    before, before_evaluated = generator(latent), generator.eval()(latent)
    generator.channels_last = True
    assert torch.equal(generator(latent), before_evaluated)
    torch.testing.assert_close(generator.train()(latent), before)
    assert seen == [False, False, False, True]
