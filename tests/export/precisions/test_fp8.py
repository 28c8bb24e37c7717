from litho.export.precisions import Inputs
from litho.parity.gate import PSNR_MEAN, Gate, compare
from litho.training.networks.pixel_model import PixelModel

from .conftest import lowered, pictures


def test_onnx_runtime_runs_8_bit_floats(graph: bytes, calibration: list[Inputs], picture: PixelModel) -> None:
    made = pictures(lowered("fp8", graph, calibration), picture.signature)
    mean = next(
        figure.value
        for figure in compare(made, pictures(graph, picture.signature), Gate())
        if figure.metric == PSNR_MEAN
    )
    # Random weights are harder to paint in three bits than trained ones.
    assert mean is not None
    assert mean > 20
