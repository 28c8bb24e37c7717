"""Computed weights: every convolution of the networks that compute them is lowered, and counted by its arithmetic."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.flop_counter import FlopCounterMode

from litho.export.arithmetic import multiply_adds, share
from litho.export.graph import export_graph
from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import layers
from litho.export.source import Source, open_source
from litho.runners.onnxruntime import Runner

from .networks import BigGAN, StyleGAN2, style_noises
from .zoo import ZOO

pytestmark = pytest.mark.slow


class Unit(nn.Module):
    """Spectral norm as BigGAN's own code writes it: a step of power iteration in every call, eval mode included."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        self.weight, self.bias = layer.weight, layer.bias
        self.padding = layer.padding if isinstance(layer, nn.Conv2d) else None
        self.vector = nn.Buffer(torch.randn(1, layer.weight.shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.weight.flatten(1)
        right = F.normalize(self.vector @ matrix)
        left = F.normalize(right @ matrix.T)
        weight = self.weight / (left @ matrix @ right.T).squeeze()
        if self.padding is None:
            return F.linear(x, weight, self.bias)
        return F.conv2d(x, weight, self.bias, padding=self.padding)


def _source(build: Callable[[], nn.Module], inputs: list[dict[str, Any]]) -> Source:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = build().eval()
    output = {"height": 16, "width": 16, "channels": 3}
    return open_source(module, signature={"inputs": inputs, "output": output})


STYLEGAN = [
    {"role": "seed", "noises": {"z": [16], **style_noises(16)}},
    {"role": "truncation", "argument": "truncation"},
]
BIGGAN = [{"role": "seed", "shape": [24]}, {"role": "label", "class_names": [str(one) for one in range(10)]}]


@pytest.mark.parametrize(
    ("build", "inputs", "folded"),
    [
        (lambda: StyleGAN2(width=40), STYLEGAN, True),
        (lambda: BigGAN(spectral_norm, width=32), BIGGAN, False),
        (lambda: BigGAN(nn.utils.spectral_norm, width=32), BIGGAN, False),
        (lambda: BigGAN(Unit, width=32), BIGGAN, True),
    ],
    ids=["stylegan2", "biggan", "biggan-hooks", "biggan-own"],
)
def test_every_convolution_has_constant_weights_before_anything_is_lowered(
    build: Callable[[], nn.Module], inputs: list[dict[str, Any]], folded: bool
) -> None:
    picture = _source(build, inputs).pipeline.model
    before = export_graph(picture, picture.signature, {})
    after, changed = apply_passes(before, default_passes())
    model = onnx.load_from_string(after)
    assert ("constants" in changed) is folded
    assert len(after) < 1.1 * len(before)
    counts, lowerable = multiply_adds(model), set(layers(model))
    assert share(counts, lowerable) > 0.99, "all but attention"
    assert {node.name for node in model.graph.node if node.op_type == "Conv"} <= lowerable
    given = picture.signature.example(3)
    with torch.inference_mode():
        wanted = picture(*map(torch.from_numpy, given.values())).numpy().astype(int)
    with Runner(after, picture.signature) as runner:
        difference = np.abs(runner.run(given)["image"] - wanted)
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.999


@pytest.mark.parametrize("name", ["stylegan2", "esrgan", "swin"])
def test_the_arithmetic_of_what_nobody_here_wrote_is_what_torch_counts(name: str) -> None:
    picture = open_source(ZOO[name].build(), signature=ZOO[name].signature).pipeline.model
    picture.requires_grad_(False)
    found = multiply_adds(onnx.load_from_string(export_graph(picture, picture.signature, {})))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        picture(*map(torch.from_numpy, picture.signature.example(1).values()))
    assert sum(found.values()) == counter.get_total_flops() // 2
