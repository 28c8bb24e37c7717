"""What can be exported: a run, or a generator that nobody here wrote, such as diffusers' networks and a StyleGAN2."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

import litho
from litho.bundle import Bundle
from litho.errors import ExportError, UsageError
from litho.export.source import bundle_name, open_source
from litho.runners import open_runner
from litho.signature.noise import gaussian

SEEDS = np.array([0, 1, 2**40 + 7])

NOISES = {"z": (32,), "noise_4": (1, 4, 4), "noise_8": (1, 8, 8), "noise_16": (1, 16, 16)}


def as_pixels(images: Tensor) -> np.ndarray:
    return ((images.clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).numpy()


def assert_same_pictures(bundle: Bundle, images: Tensor, **inputs: np.ndarray) -> None:
    """Every variant passed, and one request gives the pictures that the module itself gives."""
    assert [variant.verdict.status for variant in bundle.manifest.variants] == ["passed"]
    wanted = as_pixels(images)
    assert wanted.std() > 5, "one grey would prove nothing"
    with open_runner(bundle.path) as runner:
        given = runner.run({"seed": SEEDS, **inputs})["image"]
    assert np.abs(given - wanted).max() <= 1
    assert np.abs(given[0].astype(int) - given[1]).max() > 10


def decoder() -> nn.Module:
    """diffusers' autoencoder of Rombach et al. (2022), small."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(16, 32),
        norm_num_groups=8,
        sample_size=32,
    ).eval()


def unet() -> nn.Module:
    """diffusers' network of Ho et al. (2020), small, with attention and a class."""
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        num_class_embeds=3,
    ).eval()


@pytest.mark.slow
def test_the_decoder_of_an_autoencoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = decoder()
    save_file(module.state_dict(), tmp_path / "vae.safetensors")
    signature = {
        "inputs": [{"role": "seed", "shape": [4, 16, 16]}],
        "output": {"height": 32, "width": 32, "channels": 3, "select": "sample"},
        "method": "decode",
    }
    for input in ("seed", "latent"):
        bundle = litho.export_model(
            decoder,
            weights=tmp_path / "vae.safetensors",
            signature=signature,
            to=tmp_path / input,
            input=input,
            timed=False,
        )
        latents = gaussian(SEEDS, 4 * 16 * 16).reshape(-1, 4, 16, 16)
        with torch.inference_mode():
            images = module.decode(torch.from_numpy(latents)).sample
        if input == "seed":
            assert_same_pictures(bundle, images)
            # The encoder's weights stay behind.
            assert bundle.manifest.files["graphs/generator.fp32.onnx"].size_bytes < 4 * sum(
                tensor.numel() for tensor in module.parameters()
            )
        else:
            with open_runner(bundle.path) as runner:
                assert np.abs(runner.run({"latent": latents})["image"] - as_pixels(images)).max() <= 1


@pytest.mark.slow
def test_a_unet_with_a_timestep_that_never_changes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = unet()
    signature = {
        "inputs": [
            {"role": "seed", "shape": [3, 16, 16]},
            {"role": "label", "class_names": ["cat", "dog", "fish"], "argument": "class_labels"},
        ],
        "output": {"height": 16, "width": 16, "channels": 3, "select": "sample"},
        "constants": {"timestep": 999},
    }
    bundle = litho.export_model(module, signature=signature, to=tmp_path / "unet", timed=False)
    noise = torch.from_numpy(gaussian(SEEDS, 3 * 16 * 16).reshape(-1, 3, 16, 16))
    labels = np.array([0, 2, 1])
    with torch.inference_mode():
        images = module(noise, 999, class_labels=torch.from_numpy(labels)).sample
    assert_same_pictures(bundle, images, label=labels)


class Equalised(nn.Module):
    """A linear layer whose weights are scaled when it runs (Karras et al. 2018, section 4.1)."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), bias))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight * self.weight.shape[1] ** -0.5, self.bias)


class Modulated(nn.Module):
    """A convolution whose weights the style scales and whose output is brought back to unit variance.

    Karras et al. (2020), equations 1 and 3. Fused, one grouped convolution computes all pictures of a batch; else the
    style scales what the convolution takes, and the demodulation what it gives, which is the same sum.
    """

    def __init__(self, inputs: int, outputs: int, side: int, styles: int, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, side, side) / math.sqrt(inputs * side * side))
        self.style = Equalised(styles, inputs, bias=1.0)
        self.demodulate, self.fused = demodulate, False

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, padding = self.style(w), self.weight.shape[-1] // 2
        power = style.square() @ self.weight.square().sum((2, 3)).T
        scale = (power + 1e-8).rsqrt() if self.demodulate else torch.ones_like(power)
        if not self.fused:
            return (
                functional.conv2d(x * style[:, :, None, None], self.weight, padding=padding)
                * scale[:, :, None, None]
            )
        weight = self.weight[None] * style[:, None, :, None, None] * scale[:, :, None, None, None]
        batch, _, height, width = x.shape
        grouped = x.reshape(1, -1, height, width)
        given = functional.conv2d(grouped, weight.flatten(0, 1), padding=padding, groups=batch)
        return given.reshape(batch, -1, height, width)


class Styled(nn.Module):
    """Upsampling, modulated convolution, noise of a learned strength, bias and leaky ReLU."""

    def __init__(self, channels: int, styles: int, up: bool) -> None:
        super().__init__()
        self.convolution = Modulated(channels, channels, 3, styles)
        self.strength = nn.Parameter(torch.tensor(0.3))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.up = up

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        if self.up:
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = self.convolution(x, w) + self.strength * noise + self.bias[:, None, None]
        return functional.leaky_relu(x, 0.2) * math.sqrt(2)


class StyleGenerator(nn.Module):
    """StyleGAN2 (Karras et al. 2020) with skips, 4x4 to 16x16; its noise is made explicit: one argument a layer."""

    def __init__(self, latent: int = 32, channels: int = 16) -> None:
        super().__init__()
        self.mapping = nn.ModuleList([Equalised(latent, latent) for _ in range(4)])
        self.constant = nn.Parameter(torch.randn(channels, 4, 4))
        self.layers = nn.ModuleList([Styled(channels, latent, up) for up in (False, True, True)])
        self.colours = nn.ModuleList([Modulated(channels, 3, 1, latent, demodulate=False) for _ in range(3)])

    def forward(
        self, z: Tensor, truncation: Tensor, noise_4: Tensor, noise_8: Tensor, noise_16: Tensor
    ) -> Tensor:
        w = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.mapping:
            w = functional.leaky_relu(layer(w), 0.2) * math.sqrt(2)
        w = w * truncation[:, None]  # towards 0, which stands for the mean of w here
        x, picture = self.constant.expand(z.shape[0], -1, -1, -1), None
        for layer, colour, noise in zip(self.layers, self.colours, (noise_4, noise_8, noise_16), strict=True):
            x = layer(x, w, noise)
            if picture is not None:
                picture = functional.interpolate(
                    picture, scale_factor=2.0, mode="bilinear", align_corners=False
                )
            picture = colour(x, w) if picture is None else picture + colour(x, w)
        return picture * 0.5


STYLE_SIGNATURE: dict[str, Any] = {
    "inputs": [
        {"role": "seed", "noises": {name: list(shape) for name, shape in NOISES.items()}},
        {"role": "truncation", "argument": "truncation"},
    ],
    "output": {"height": 16, "width": 16, "channels": 3},
}


@pytest.mark.slow
def test_a_stylegan2_whose_noise_comes_from_the_seed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = StyleGenerator().eval()
    bundle = litho.export_model(module, signature=STYLE_SIGNATURE, to=tmp_path / "style", timed=False)
    sizes = [math.prod(shape) for shape in NOISES.values()]
    parts = torch.from_numpy(gaussian(SEEDS, sum(sizes))).split(sizes, 1)
    noises = {name: part.reshape(-1, *NOISES[name]) for name, part in zip(NOISES, parts, strict=True)}
    truncation = np.array([1, 0.7, 0.5], np.float32)
    with torch.inference_mode():
        images = module(**noises, truncation=torch.from_numpy(truncation))
        calm = module(
            **{**noises, "noise_16": noises["noise_16"] * 0}, truncation=torch.from_numpy(truncation)
        )
    assert_same_pictures(bundle, images, truncation=truncation)
    assert np.abs(as_pixels(images) - as_pixels(calm)).mean() > 2, "the noise must show"


@pytest.mark.slow
def test_a_fused_stylegan2_is_told_what_to_change(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = StyleGenerator().eval()
    inputs = [torch.randn(2, *shape) for shape in NOISES.values()]
    with torch.inference_mode():
        apart = module(inputs[0], torch.ones(2), *inputs[1:])
        for part in module.modules():
            if isinstance(part, Modulated):
                part.fused = True
        torch.testing.assert_close(module(inputs[0], torch.ones(2), *inputs[1:]), apart, atol=1e-5, rtol=1e-5)
    with pytest.raises(ExportError) as refused:
        litho.export_model(module, signature=STYLE_SIGNATURE, to=tmp_path / "style")
    said = str(refused.value)
    assert "batch size is fixed as a number of groups in 'layers.0.convolution' (Modulated) at " in said
    assert "groups=batch)`; scale what one convolution takes and gives, not its weights" in said
    assert not (tmp_path / "style").exists()


def test_runs_and_modules_are_told_apart(run: Path) -> None:
    with pytest.raises(UsageError, match="'StyleGenerator' needs a signature, which describes its inputs"):
        open_source(StyleGenerator)
    with pytest.raises(UsageError, match="--weights needs --signature"):
        open_source(run, weights="w.safetensors")
    assert open_source(run, input="latent").family == "cgan"


def test_a_bundle_is_called_after_the_run_or_the_module() -> None:
    assert bundle_name("runs/v1.2", "latent", user_module=False) == "v1.2-latent"
    assert bundle_name("runs/v1.2", None, user_module=False, fixed={"label": 3}) == "v1.2-label-3"
    assert bundle_name("mine.nets.style:build", None, user_module=True) == "style"
    assert bundle_name("mine/nets/style.py:build", None, user_module=True) == "style"
    assert bundle_name("runs/v1/..", None, user_module=False) == "runs"
    assert bundle_name(".", "seed", user_module=False) == f"{Path.cwd().name}-seed"
    assert bundle_name("runs/été 2", None, user_module=False) == "ete-2"


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("my_net:build", "needs a signature, which describes its inputs and its output: add --signature"),
        ("net.py:build", "needs a signature, which describes its inputs and its output: add --signature"),
        ("net.py", "names no function that builds the module; give net.py:NAME --signature signature.yaml"),
        (
            "g.pt",
            "has weights but no network; name a function that builds the network: litho export my_net.py:build",
        ),
        (
            "absent",
            "no finished run at 'absent'; expected a folder with snapshot.json, made by 'litho train'",
        ),
    ],
)
def test_what_is_no_run_is_answered_with_what_to_give(folder: Path, source: str, advice: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_source(source)
    assert advice in str(refused.value)


def test_a_folder_of_another_library_is_answered_with_what_loads_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    with pytest.raises(
        UsageError, match=r"holds a model of another library; .* from_pretrained: litho export"
    ):
        open_source(tmp_path)


def test_a_bundle_is_not_exported_again(bundle: Path) -> None:
    with pytest.raises(UsageError, match="is a bundle already; export the run that it was made from"):
        open_source(bundle)
