from litho.export.precisions import Inputs
from litho.training.networks.pixel_model import PixelModel

from .conftest import assert_gate_kept, lowered


def test_pictures_keep_the_gate(graph: bytes, calibration: list[Inputs], picture: PixelModel) -> None:
    assert_gate_kept("fp16", graph, calibration, picture.signature)


def test_the_graph_is_smaller_and_needs_no_calibration(graph: bytes) -> None:
    assert len(lowered("fp16", graph, [])) < 0.75 * len(graph)
