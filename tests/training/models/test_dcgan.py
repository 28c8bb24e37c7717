import pytest
import torch
from hypothesis import given, settings, strategies as st

from litho.errors import UsageError
from litho.training.models import family


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
@settings(max_examples=8)
@given(
    resolution=st.sampled_from([8, 28, 48, 64]),
    channels=st.sampled_from([1, 3]),
    latent_size=st.integers(1, 9),
)
def test_pictures_have_the_signature_s_shape_and_range(
    name: str, resolution: int, channels: int, latent_size: int
) -> None:
    conditions = {"classes": 3} if name == "cgan" else {}
    generator = family(name).generator(
        resolution=resolution, channels=channels, latent_size=latent_size, width=2, **conditions
    )
    signature = generator.signature()
    latent = torch.randn(5, latent_size) * 100
    images = generator(latent, *([torch.tensor([0, 1, 2, 0, 1])] if conditions else []))
    assert images.shape == (5, channels, resolution, resolution)
    assert signature.output.shape == (resolution, resolution, channels)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
@pytest.mark.parametrize("wrong", [{"resolution": 36}, {"resolution": 2048}, {"channels": 4}])
def test_a_picture_that_no_doubling_makes_is_refused(name: str, wrong: dict[str, int]) -> None:
    conditions = {"classes": 3} if name == "cgan" else {}
    with pytest.raises(UsageError, match=r"(is|are) not allowed"):
        family(name).generator(**conditions, **wrong)


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
def test_only_another_norm_is_part_of_the_architecture(name: str) -> None:
    kind = family(name).generator
    assert "norm" not in kind(resolution=16, width=2).architecture, "earlier versions read such a snapshot"
    grouped = kind(resolution=16, width=2, norm="group")
    assert grouped.architecture["norm"] == "group"
    assert not any("running" in key for key in kind(**grouped.architecture).state_dict())
