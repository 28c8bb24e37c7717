import onnx
import pytest

from litho.errors import DeviceError, ExportError
from litho.export.engines import build_engine
from litho.export.precisions import Inputs, Lowering, precision
from litho.runners.onnxruntime import Runner
from litho.training.networks.pixel_model import PixelModel

from .conftest import lowered

pytestmark = pytest.mark.slow


def test_onnx_runtime_says_that_it_has_no_bf16(
    graph: bytes, calibration: list[Inputs], picture: PixelModel
) -> None:
    with pytest.raises(DeviceError, match="ONNX Runtime refuses the graph: Could not find an implementation"):
        Runner(lowered("bf16", graph, calibration), picture.signature)


def test_without_the_rewrite_no_bf16_engine_of_a_dcgan_is_built(picture: PixelModel, graph: bytes) -> None:
    plain = precision("bf16").lower(Lowering(graph))
    with pytest.raises(ExportError):
        build_engine(plain, picture.signature, "sm89")


def test_the_opset_is_one_whose_convolutions_take_it(graph: bytes, calibration: list[Inputs]) -> None:
    model = onnx.load_from_string(lowered("bf16", graph, calibration))
    (opset,) = [entry.version for entry in model.opset_import if entry.domain == ""]
    onnx_of = onnx.defs.get_schema("Conv", opset)
    assert "tensor(bfloat16)" in next(one for one in onnx_of.type_constraints).allowed_type_strs
