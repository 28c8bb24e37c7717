"""ONNX forms of operators that torch's exporter lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from ..extras import require
from ..signature.noise import noise_in_onnx

__all__ = ["translations", "unread_sources"]


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Operator of torch -> its form in ONNX, as `torch.onnx.export` takes them.

    The product along an axis is also what torch makes of `cumprod`, with which volumes are rendered. To squeeze an
    axis that is longer than one, or a scalar, does nothing in torch; torch's own translation makes an invalid graph of
    the former.
    """
    from ..training.networks.noise import operator

    torch, onnxscript = require("torch", "export"), require("onnxscript", "export")
    opset = onnxscript.opset21

    def product(values: Any, axes: Sequence[int], output_dtype: int | None = None) -> Any:
        return opset.ReduceProd(values, opset.Constant(value_ints=list(axes)), keepdims=0)

    def squeeze(values: Any, axis: int) -> Any:
        if not values.shape or values.shape[axis] != 1:
            return opset.Identity(values)
        return opset.Squeeze(values, opset.Constant(value_ints=[axis]))

    def noise(seed: Any, count: int) -> Any:
        return noise_in_onnx(opset, seed, count)

    return {torch.ops.prims.prod.default: product, torch.ops.aten.squeeze.dim: squeeze, operator(): noise}


@contextmanager
def unread_sources() -> Iterator[None]:
    """Context in which onnxscript's functions tell their domain without their source being parsed.

    torch lists all 500 of them for each graph and asks for nothing else of what is parsed, which takes a sixth of the
    time of a small export.
    """
    functions = require("onnxscript", "export").values.TracedOnnxFunction
    parsed = vars(functions).get("function_ir")
    if not isinstance(parsed, property):  # of another version of onnxscript, which works as it is
        yield
        return
    functions.function_ir = property(lambda function: SimpleNamespace(domain=function.opset.domain))
    try:
        yield
    finally:
        functions.function_ir = parsed
