"""Corrected biases: the mean of each output channel is that of the FP32 layer."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from litho.export.precisions._quantizers._bias import corrected_biases
from litho.export.precisions._quantizers._placement import Quantized
from litho.export.precisions._quantizers._ranges import dequantized, rounded


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose", "Gemm"])
def test_the_mean_output_is_that_of_the_fp32_layer(kind: str, biased: bool) -> None:
    random = np.random.default_rng(0)
    shape = (3, 4) if kind == "Gemm" else (3, 4, 3, 3) if kind == "ConvTranspose" else (4, 3, 3, 3)
    weight, bias = (random.standard_normal(size).astype(np.float32) for size in (shape, 4))
    constants = {"w": weight, **({"b": bias} if biased else {})}
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", *constants], ["y"], name="layer")],
        "one",
        [
            helper.make_tensor_value_info(
                "x", TensorProto.FLOAT, ["batch", 3, *((5, 5) if kind != "Gemm" else ())]
            )
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    axis = 0 if kind == "Conv" else 1
    scale = np.full(4, 0.5, np.float32)  # so coarse that the means move
    along = [-1 if number == axis else 1 for number in range(weight.ndim)]
    how = Quantized(scale, "INT8", rounded(weight, scale.reshape(along), "INT8"), axis)
    coarse = Quantized(np.array(0.3, np.float32), "INT8")
    x = (random.standard_normal((32, *((3, 5, 5) if kind != "Gemm" else (3,)))) + 0.4).astype(np.float32)
    nodes = {node.name or "": node for node in ir.from_proto(proto).graph}
    found = corrected_biases(proto, nodes, {"layer": coarse}, {"layer": how}, [{"x": x[:20]}, {"x": x[20:]}])

    def mean(given: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        import torch

        x, w, b = (torch.from_numpy(np.ascontiguousarray(value)) for value in (given, weight, bias))
        if kind == "Gemm":
            return (x @ w + b).numpy().mean(0)
        function = torch.nn.functional.conv2d if kind == "Conv" else torch.nn.functional.conv_transpose2d
        return function(x, w, b).numpy().mean((0, 2, 3))

    assert how.content is not None
    small = how.content.astype(np.float32) * scale.reshape(along)
    wanted = mean(x, weight, bias if biased else np.zeros(4, np.float32))
    made = mean(dequantized(x, coarse.scale, "INT8"), small, found["layer"])
    assert np.abs(made - wanted).max() < 1e-4
    before = mean(dequantized(x, coarse.scale, "INT8"), small, bias if biased else np.zeros(4, np.float32))
    assert np.abs(before - wanted).max() > 0.01
