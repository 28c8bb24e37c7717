"""Generators and faults from outside the house: tiny forms of published architectures that litho was not written for.

`ZOO` holds the generators, each with the signature file that its owner would write; a picture takes a fraction of a
millisecond on one core. `test_zoo` exports every one of them in every precision for every runtime. The other files
here hold the faults, one file for each thing that was attacked: `test_words` for instance holds hostile words on the
command line, and `test_gate_laws` what must hold of the gate whatever the pictures are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from litho.signature.noise import gaussian

from .networks import ESRGAN, BigGAN, StyleGAN2, Swin, Transformer, style_noises

__all__ = ["ZOO", "Generator"]

STD = 0.4
"""Standard deviation of the pictures in [-1, 1]: neither grey nor saturated."""


@dataclass(frozen=True)
class Generator:
    """A generator of the zoo.

    Args:
        make: gives the untrained module; call `build` for one that paints.
        signature: content of its signature file.
        last: name of the layer that gives the picture, before a tanh; it is scaled to the contrast `STD`.
    """

    make: Callable[[], nn.Module]
    signature: dict[str, Any]
    last: str

    def build(self) -> nn.Module:
        """The module in eval mode, with the same random weights every time."""
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(11)
            module = self.make().eval()
            seen: list[Tensor] = []
            last = module.get_submodule(self.last)
            handle = last.register_forward_hook(lambda _, __, output: seen.append(output))
            given, keywords = self.example(16)
            getattr(module, self.signature.get("method", "forward"))(*given, **keywords)
            handle.remove()
            for weights in last.parameters():
                weights.mul_(STD / float(seen[-1].std()))
        return module.eval()

    def paint(self, module: nn.Module, given: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
        """The pictures of requests by torch alone, UINT8 of shape (batch, height, width, 3)."""
        values, arguments, keywords = dict(given), [], dict(self.signature.get("constants", {}))
        for one in self.signature["inputs"]:
            value = values.pop(one.get("name", {"image": "source"}.get(one["role"], one["role"])))
            if one["role"] == "seed":
                shapes = one.get("noises") or {"": one["shape"]}
                sizes = [math.prod(shape) for shape in shapes.values()]
                parts = np.split(gaussian(value, sum(sizes)), np.cumsum(sizes)[:-1], 1)
                noises = {
                    name: torch.from_numpy(part.reshape(len(value), *shape))
                    for (name, shape), part in zip(shapes.items(), parts, strict=True)
                }
                arguments += [noises.pop("")] if "" in noises else []
                keywords |= noises
                continue
            tensor = torch.from_numpy(value)
            tensor = tensor.permute(0, 3, 1, 2) / 127.5 - 1 if one["role"] == "image" else tensor
            if "argument" in one:
                keywords[one["argument"]] = tensor
            else:
                arguments.append(tensor)
        assert not values, "every field of a request reaches the module"
        with torch.inference_mode():
            output = getattr(module, self.signature.get("method", "forward"))(*arguments, **keywords)
        select = self.signature["output"].get("select")
        images = output if select is None else getattr(output, select)
        return ((images + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).byte().numpy()

    def example(self, count: int) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Random positional arguments and keyword arguments of the module, for a batch."""
        given: list[Tensor] = []
        keywords: dict[str, Any] = dict(self.signature.get("constants", {}))
        for one in self.signature["inputs"]:
            keywords |= {name: torch.randn(count, *shape) for name, shape in one.get("noises", {}).items()}
            if "noises" in one:
                continue
            value = _value(one, count)
            if "argument" in one:
                keywords[one["argument"]] = value
            else:
                given.append(value)
        return given, keywords


def _value(given: dict[str, Any], count: int) -> Tensor:
    match given["role"]:
        case "label":
            return torch.randint(len(given["class_names"]), (count,))
        case "truncation":
            return torch.ones(count)
        case "image":
            return torch.rand(count, given["channels"], given["height"], given["width"]) * 2 - 1
        case _:
            return torch.randn(count, *given["shape"])


def _picture(side: int) -> dict[str, int]:
    return {"height": side, "width": side, "channels": 3}


def _decoder() -> nn.Module:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=16,
    )


def _unet() -> nn.Module:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        mid_block_type=None,
        cross_attention_dim=12,
        attention_head_dim=4,
        norm_num_groups=4,
    )


def _dit() -> nn.Module:
    from diffusers import DiTTransformer2DModel

    return DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=3,
        out_channels=3,
        num_layers=1,
        norm_num_groups=4,
        sample_size=16,
        patch_size=4,
        num_embeds_ada_norm=10,
    )


_CLASSES = {"role": "label", "class_names": [f"class {index}" for index in range(10)]}
_PLAIN: dict[str, Any] = {"inputs": [{"role": "seed", "shape": [16]}], "output": _picture(16)}
_BIGGAN: dict[str, Any] = {
    "inputs": [{"role": "seed", "shape": [24]}, _CLASSES],
    "output": _picture(16),
}

ZOO: dict[str, Generator] = {
    "stylegan2": Generator(
        StyleGAN2,
        {
            "inputs": [
                {"role": "seed", "noises": {"z": [16], **style_noises(16)}},
                {"role": "truncation", "argument": "truncation"},
            ],
            "output": _picture(16),
        },
        "to_range",
    ),
    "biggan": Generator(lambda: BigGAN(spectral_norm), _BIGGAN, "to_range"),
    "biggan-hooks": Generator(lambda: BigGAN(nn.utils.spectral_norm), _BIGGAN, "to_range"),
    "autoencoder-kl": Generator(
        _decoder,
        {
            "inputs": [{"role": "seed", "shape": [4, 8, 8]}],
            "output": {**_picture(16), "select": "sample"},
            "method": "decode",
        },
        "decoder.conv_out",
    ),
    "unet-condition": Generator(
        _unet,
        {
            "inputs": [
                {"role": "seed", "shape": [3, 16, 16]},
                {
                    "role": "condition",
                    "name": "text_embedding",
                    "argument": "encoder_hidden_states",
                    "shape": [5, 12],
                },
            ],
            "output": {**_picture(16), "select": "sample"},
            "constants": {"timestep": 500},
        },
        "conv_out",
    ),
    "dit": Generator(
        _dit,
        {
            "inputs": [
                {"role": "seed", "shape": [3, 16, 16]},
                {**_CLASSES, "argument": "class_labels"},
                {
                    "role": "condition",
                    "name": "timestep",
                    "argument": "timestep",
                    "shape": [],
                    "minimum": 0,
                    "maximum": 999,
                },
            ],
            "output": {**_picture(16), "select": "sample"},
        },
        "proj_out_2",
    ),
    "esrgan": Generator(
        ESRGAN, {"inputs": [{"role": "image", **_picture(16)}], "output": _picture(32)}, "last"
    ),
    "swin": Generator(Swin, _PLAIN, "last"),
    "transformer-encoder": Generator(Transformer, _PLAIN, "last"),
}
"""Name -> generator."""
