"""A small graph of two convolutions and a matrix product, in any precision."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, checker, helper

from litho.signature import Signature
from litho.signature.fields import Field

ELEMENTS = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
CODES = {"int8": TensorProto.INT8, "fp8": TensorProto.FLOAT8E4M3FN}
SIGNATURE = Signature(
    inputs=(Field(name="x", role="latent", dtype="FP32", shape=(3, 8, 8)),),  # pyright: ignore
    output=Field(name="y", role="latent", dtype="FP32", shape=(12,)),  # pyright: ignore
)
PRODUCTS = ("first", "second", "last")

needs_no_tensorrt = pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT is installed")


def graph(precision: str, fp32_layers: tuple[str, ...] = (), squared: bool = False) -> bytes:
    """Two convolutions and a matrix product in a precision; those in `fp32_layers` stay in FP32.

    With `squared`, a product without weights in FP32 comes before them.
    """
    usual, code, random = (
        ELEMENTS.get(precision, TensorProto.FLOAT),
        CODES.get(precision),
        np.random.default_rng(0),
    )
    constants, nodes, current = [], [], "x"

    def constant(name: str, values: Any, element: int) -> str:
        values = np.asarray(values, dtype=np.float32)
        constants.append(helper.make_tensor(name, element, values.shape, values.ravel().tolist()))
        return name

    def node(kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"{name}.out"], name=name, **attributes))
        return f"{name}.out"

    def quantised(value: str, name: str) -> str:
        if code is None:
            return value
        levels = [constant(f"{name}.scale", 0.05, usual), constant(f"{name}.zero", 0, code)]
        return node(
            "DequantizeLinear", [node("QuantizeLinear", [value, *levels], f"{name}.q"), *levels], f"{name}.dq"
        )

    if squared:
        current = node("MatMul", [current, current], "square")
    for name, shape in zip(PRODUCTS, ((16, 3, 3, 3), (8, 16, 3, 3), (8, 12)), strict=True):
        element = TensorProto.FLOAT if name in fp32_layers else usual
        if name == "last":
            axes = helper.make_tensor("axes", TensorProto.INT64, (2,), [2, 3])
            constants.append(axes)
            current = node("ReduceMean", [current, "axes"], "mean", keepdims=0)
        current = node("Cast", [current], f"{name}.cast", to=element)
        weights = constant(f"{name}.weights", random.normal(size=shape) * 0.1, element)
        if name not in fp32_layers:
            current, weights = quantised(current, f"{name}.x"), quantised(weights, f"{name}.w")
        if name == "last":
            current = node("MatMul", [current, weights], name)
        else:
            current = node("Relu", [node("Conv", [current, weights], name, pads=[1] * 4)], f"{name}.relu")
    nodes.append(helper.make_node("Cast", [current], ["y"], name="cast", to=TensorProto.FLOAT))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
        for name, shape in (("x", (3, 8, 8)), ("y", (12,)))
    ]
    made = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    checker.check_model(model, full_check=True)
    return model.SerializeToString()
