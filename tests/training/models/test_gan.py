from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings, strategies as st

from litho.bundle import Bundle
from litho.errors import UsageError
from litho.training.models import gan


@pytest.mark.slow
def test_it_goes_the_whole_line(
    prove: Callable[..., Bundle], assert_served: Callable[[Bundle], None]
) -> None:
    bundle = prove("gan-mnist")
    assert bundle.manifest.family == "gan"
    assert_served(bundle)


@settings(max_examples=10)
@given(st.integers(1, 40), st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 4))
def test_pictures_of_any_size_are_judged(
    resolution: int, channels: int, latent_size: int, layers: int
) -> None:
    generator = gan.Generator(
        resolution=resolution, channels=channels, latent_size=latent_size, width=3, layers=layers
    )
    images = generator(torch.randn(4, latent_size) * 100)
    assert images.shape == (4, channels, resolution, resolution)
    assert images.abs().max() <= 1
    assert generator.signature().output.shape == (resolution, resolution, channels)
    assert gan.Discriminator(resolution, channels, 3, layers)(images).shape == (4,)


@pytest.mark.parametrize("wrong", [{"resolution": 0}, {"resolution": 257}, {"channels": 2}])
def test_what_it_does_not_make(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="are not allowed; expected a resolution of 1 to 256"):
        gan.Generator(**wrong)
