from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings, strategies as st

from litho.errors import UsageError
from litho.training.networks.layers import (
    LEAKY_GAIN,
    ConditionalBatchNorm2d,
    ResidualBlock,
    downsampler,
    first_side,
    halvings,
    normalisation,
    scaled_convolution,
    upsamplers,
    widths,
)


@given(st.integers(1, 4096))
def test_doubling_a_first_side_reaches_the_resolution(resolution: int) -> None:
    assert first_side(resolution) << halvings(resolution) == resolution
    if resolution >= 8 and first_side(resolution) > 7:
        assert first_side(resolution) % 2 == 1, "no doubling reaches it from 4 to 7"


@given(st.integers(4, 7), st.integers(1, 6), st.integers(1, 64))
def test_widths_halve_with_each_doubling_down_to_the_last(side: int, doublings: int, width: int) -> None:
    channels = widths(side << doublings, width)
    assert len(channels) == doublings
    assert channels[-1] == width
    assert all(wide == 2 * narrow for wide, narrow in pairwise(channels))


@settings(max_examples=10)
@given(st.integers(1, 3), st.booleans())
def test_downsampling_halves_as_often_as_upsampling_doubles(layers: int, spectral: bool) -> None:
    channels = tuple(range(1, layers + 2))
    small = torch.randn(2, channels[-1], 3, 5)
    large = small
    for layer in upsamplers(channels[::-1]):
        large = layer(large)
    assert large.shape == (2, 1, 3 << layers, 5 << layers)
    assert downsampler(channels, spectral=spectral)(large).shape == small.shape


@pytest.mark.parametrize(("kernel", "groups"), [(1, 1), (3, 1), (3, 8)])
def test_a_scaled_convolution_keeps_the_size_and_has_its_gain(kernel: int, groups: int) -> None:
    torch.manual_seed(0)
    layer = scaled_convolution(64, 64, kernel, gain=LEAKY_GAIN, groups=groups)
    made = layer(torch.randn(8, 64, 24, 24))
    assert made.shape == (8, 64, 24, 24)
    assert made[:, :, 2:-2, 2:-2].std().item() == pytest.approx(LEAKY_GAIN, rel=0.05)


@pytest.mark.parametrize(("channels", "group_size"), [(8, 16), (24, 16), (5, 3)])
def test_a_residual_block_starts_as_the_identity(channels: int, group_size: int) -> None:
    block = ResidualBlock(channels, 4, group_size=group_size)
    features = torch.randn(2, channels, 6, 6)
    assert torch.equal(block(features), features)
    made = block.branch[:-1](features)
    assert made.abs().max() > 0


def test_each_class_has_a_gain_and_a_bias_of_its_own() -> None:
    norm = ConditionalBatchNorm2d(3, 2).eval()
    with torch.no_grad():
        norm.gain.weight[1], norm.bias.weight[1] = 2.0, 5.0
    features = torch.randn(2, 3, 4, 4)
    plain, changed = norm(features, torch.tensor([0, 1])), norm(features, torch.tensor([1, 1]))
    torch.testing.assert_close(changed[0], 2 * plain[0] + 5)
    assert torch.equal(changed[1], plain[1])


@pytest.mark.parametrize("channels", [1, 8, 24, 96])
def test_a_group_norm_gives_an_image_the_same_values_in_any_batch(channels: int) -> None:
    features = torch.randn(4, channels, 5, 5, generator=torch.Generator().manual_seed(0))
    for norm in (normalisation("group", channels), ConditionalBatchNorm2d(channels, 3, "group").norm):
        alone = torch.cat([norm(image[None]) for image in features])
        torch.testing.assert_close(norm(features), alone)
    by_batch = normalisation("batch", channels).train()
    assert not torch.allclose(by_batch(features)[:1], by_batch(features[:1]))


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(UsageError, match=r"norm 'layer' is not allowed; expected batch or group"):
        normalisation("layer", 8)  # pyright: ignore[reportArgumentType]
