"""Every precision: what it lowers, what it leaves, and what pictures are left of it."""

from pathlib import Path

import onnx
import pytest
import torch

from litho.export.engines import build_engine
from litho.export.engines.readback import check_precisions
from litho.export.graph import export_graph
from litho.export.naming import precisions_of
from litho.export.passes import apply_passes
from litho.export.precisions import Inputs, layers, precision_names
from litho.runners.tensorrt import Runner as TensorRT
from litho.training.models.base import family
from litho.training.networks.pixel_model import PixelModel

from .conftest import lowered

pytestmark = pytest.mark.slow

NAMES = precision_names()[1:]


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_computes_in_the_precision(name: str, graph: bytes, calibration: list[Inputs]) -> None:
    model = onnx.load_from_string(lowered(name, graph, calibration))
    found = precisions_of(model)
    assert set(found.values()) == {name}
    assert len(found) == len(layers(onnx.load_from_string(graph)))


@pytest.mark.parametrize("name", NAMES)
def test_two_lowerings_are_the_same_bytes(name: str, graph: bytes, calibration: list[Inputs]) -> None:
    assert lowered(name, graph, calibration) == lowered(name, graph, calibration)


@pytest.mark.parametrize("name", ["bf16", "int8", "fp8"])
def test_engines_of_a_rewritten_dcgan_compute_in_it(name: str, picture: PixelModel, tmp_path: Path) -> None:
    # Wide enough that TensorRT has a kernel of the precision for every layer.
    torch.manual_seed(0)
    generator = family("dcgan").generator(resolution=32, channels=3, width=64).eval()
    wide = PixelModel(generator, generator.signature()).eval()
    graph = export_graph(wide, wide.signature, {})
    made, _ = apply_passes(lowered(name, graph, [wide.signature.example(32)]), TensorRT.passes)
    read = build_engine(made, wide.signature, "sm89").read
    assert check_precisions(read, made, name).complaint == ""
