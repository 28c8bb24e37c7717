import onnx

from litho.export.precisions import Inputs
from litho.training.networks.pixel_model import PixelModel

from .conftest import assert_gate_kept, lowered


def test_pictures_keep_the_gate(graph: bytes, calibration: list[Inputs], picture: PixelModel) -> None:
    assert_gate_kept("int8", graph, calibration, picture.signature)


def test_each_channel_of_the_weights_has_a_scale_and_all_activations_of_a_layer_share_one(
    graph: bytes, calibration: list[Inputs]
) -> None:
    model = onnx.load_from_string(lowered("int8", graph, calibration))
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        activation, weights = (makers[name] for name in node.input[:2])
        assert (activation.op_type, weights.op_type) == ("DequantizeLinear", "DequantizeLinear")
        assert shapes[activation.input[1]] == ()
        assert shapes[weights.input[1]] == (shapes[weights.input[0]][0],)
