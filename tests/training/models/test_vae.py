from collections.abc import Callable
from math import prod

import onnx
import pytest
import torch
from hypothesis import given, settings, strategies as st

from litho.bundle import Bundle
from litho.errors import UsageError
from litho.training.data import sources as data
from litho.training.data.pixels import to_pixels
from litho.training.models import vae
from litho.training.networks.pixel_model import PixelModel
from litho.training.presets import resolve
from litho.training.randomness import Draw

LIKELIHOODS = ["bernoulli", "gaussian"]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["vae-mnist", "vae-emoji"])
def test_it_goes_the_whole_line(
    preset: str, prove: Callable[..., Bundle], assert_served: Callable[[Bundle], None]
) -> None:
    bundle = prove(preset)
    assert bundle.manifest.family == "vae"
    assert_served(bundle)


@pytest.mark.slow
def test_the_encoder_is_not_served(prove: Callable[..., Bundle]) -> None:
    bundle = prove("vae-mnist")
    graph = onnx.load_from_string(bundle.read(bundle.manifest.variants[0].file)).graph
    decoder = vae.Generator(resolution=16, width=4, latent_size=5).decoder
    held = sum(
        prod(tensor.dims) for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT
    )
    assert held < 1.05 * sum(weights.numel() for weights in decoder.parameters())


@settings(max_examples=10)
@given(
    st.sampled_from(LIKELIHOODS),
    st.sampled_from([8, 28, 64]),
    st.sampled_from([1, 3]),
    st.integers(1, 9),
    st.integers(0, 2),
)
def test_shapes(likelihood, resolution: int, channels: int, latent_size: int, blocks: int) -> None:
    model = vae.Generator(
        likelihood=likelihood,
        resolution=resolution,
        channels=channels,
        latent_size=latent_size,
        width=2,
        blocks=blocks,
    )
    images = model(torch.randn(4, latent_size))
    assert images.shape == (4, channels, resolution, resolution)
    assert model.signature().output.shape == (resolution, resolution, channels)
    observations = model.observe(images, torch.rand_like(images))
    mean, log_variance = model.encode(observations)
    assert mean.shape == log_variance.shape == (4, latent_size)
    assert model.log_likelihood(observations, mean).shape == (4,)


def test_pixels_are_drawn_black_or_white_by_their_brightness() -> None:
    model = vae.Generator(width=2)
    uniform = torch.rand(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    for brightness in (0.0, 0.25, 1.0):
        observations = model.observe(torch.full_like(uniform, 2 * brightness - 1), uniform)
        assert set(observations.unique().tolist()) <= {-1.0, 1.0}
        # A standard deviation of the share is 0.002 at most.
        assert ((observations + 1) / 2).mean().item() == pytest.approx(
            brightness, abs=0.01 * (brightness % 1 > 0)
        )


def test_a_picture_is_the_mean_of_what_is_likely() -> None:
    torch.manual_seed(0)
    model, latent = vae.Generator(resolution=8, width=2, latent_size=3), torch.randn(1, 3)
    white = torch.ones(1, 1, 8, 8)
    # Independent pixels: the likelihood of an all-white picture is the product of the brightnesses.
    expected = ((model(latent) + 1) / 2).log().sum()
    torch.testing.assert_close(model.log_likelihood(white, latent)[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_reconstruction_decodes_the_mean_of_its_latents(likelihood) -> None:
    torch.manual_seed(0)
    model = vae.Generator(likelihood=likelihood, resolution=8, width=2, latent_size=3).eval()
    network, signature = model.forms(model.signature())["image"]
    picture = PixelModel(network, signature).eval()
    grey = torch.from_numpy(signature.example(5)["source"])
    binary = (grey > 127).to(torch.uint8) * 255
    with torch.inference_mode():
        mean, _ = model.encode(binary.permute(0, 3, 1, 2) / 127.5 - 1)
        assert torch.equal(picture(binary), to_pixels(model(mean)))
        # A Bernoulli model sees black and white alone, a Gaussian one all levels.
        assert torch.equal(picture(binary), picture(grey)) == (likelihood == "bernoulli")


def test_a_gaussian_narrows_to_one_grey_level_at_most() -> None:
    model = vae.Generator(likelihood="gaussian", resolution=8, width=2, latent_size=3)
    latent = torch.zeros(1, 3)
    images = model(latent)
    likelihoods = []
    for log_scale in (-1.0, -4.0, -20.0, -90.0):
        model.log_scale.data.fill_(log_scale)
        likelihoods.append(model.log_likelihood(images, latent).item())
    assert likelihoods[0] < likelihoods[1] < likelihoods[2] == likelihoods[3]


@pytest.mark.parametrize(("warm_up_nimg", "weight"), [(0, 1.0), (8, 0.5), (1, 1.0)])
def test_the_divergence_is_warmed_up(warm_up_nimg: int, weight: float) -> None:
    digits = data.load("digits")
    recipe = resolve("vae-mnist", overrides={"batch": "4", "width": "2", "warm_up_nimg": str(warm_up_nimg)})
    task = vae.Task.build(recipe, digits)
    (minimise,) = task.losses(digits.batch(torch.arange(4).numpy()), Draw(0, 0, 4, slice(None)))
    bound, divergence = minimise.statistics["negative_bound"], minimise.statistics["divergence"]
    torch.testing.assert_close(minimise.loss, bound - (1 - weight) * divergence)


def test_an_unknown_likelihood_is_refused() -> None:
    with pytest.raises(
        UsageError, match="likelihood 'laplace' is not allowed; expected bernoulli or gaussian"
    ):
        vae.Generator(likelihood="laplace")
