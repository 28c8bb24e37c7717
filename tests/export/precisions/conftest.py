"""A small DCGAN, its graph in FP32, and that graph lowered."""

import numpy as np
import pytest
import torch

from litho.export.graph import export_graph
from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import Inputs, Lowering, precision
from litho.parity.gate import compare
from litho.runners.onnxruntime import Runner
from litho.signature import Signature
from litho.training.models.base import family
from litho.training.networks.pixel_model import PixelModel


@pytest.fixture(scope="session")
def picture() -> PixelModel:
    """A DCGAN of random weights that paints more than one grey."""
    torch.manual_seed(0)
    generator = family("dcgan").generator(resolution=16, width=16, latent_size=8).eval()
    for weights in generator.parameters():
        if weights.ndim == 4:
            torch.nn.init.kaiming_normal_(weights)
    return PixelModel(generator, generator.signature()).eval()


@pytest.fixture(scope="session")
def graph(picture: PixelModel) -> bytes:
    return export_graph(picture, picture.signature, {})


@pytest.fixture(scope="session")
def calibration(picture: PixelModel) -> list[Inputs]:
    return [picture.signature.example(16, seed=seed) for seed in (1, 2)]


def lowered(
    name: str, graph: bytes, calibration: list[Inputs], fp32_layers: frozenset[str] = frozenset()
) -> bytes:
    lower = precision(name)
    rewritten, _ = apply_passes(graph, {*default_passes(), *lower.passes})
    return lower.lower(Lowering(rewritten, fp32_layers, calibration, Runner.integers))


def pictures(graph: bytes, signature: Signature) -> np.ndarray:
    with Runner(graph, signature) as runner:
        return runner.run(signature.example(32))["image"]


def assert_gate_kept(name: str, graph: bytes, calibration: list[Inputs], signature: Signature) -> None:
    """A lower precision leaves a trace in the pictures, and no more than its gate allows."""
    made, wanted = (pictures(one, signature) for one in (lowered(name, graph, calibration), graph))
    assert [figure for figure in compare(made, wanted, precision(name).gate) if not figure.passed] == []
    assert not np.array_equal(made, wanted)
