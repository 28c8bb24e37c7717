"""Quantizers: each makes graphs with quantize and dequantize nodes, from an FP32 graph and typical inputs.

A quantizer is one module of this folder with

    quantize  (Lowering, element) -> bytes: content of the ONNX file, checked; `element` is "INT8" or "FLOAT8E4M3FN"
    SUMMARY   what it does, in a few words

It may have `switched`, with the arguments of `quantize`: the graph of `Precision.switched`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....bundle.external_graph import ExternalGraph
from ....errors import ExportError
from ....extras import require
from ....plugins import load_plugin, plugin_names
from ..base import Lowering, layers

if TYPE_CHECKING:
    import onnx

__all__ = ["quantize", "quantizer_names", "switched"]


def quantizer_names() -> tuple[str, ...]:
    """Names of all quantizers; none of them is imported."""
    return plugin_names(__name__)


def quantize(lowering: Lowering, element: str) -> bytes:
    """Quantize the inputs and weights of all layers that may be lowered.

    Args:
        lowering: the graph, with calibration inputs and the name of the quantizer.
        element: ONNX's name of the type.

    Raises:
        ExportError: there are no calibration inputs, the weights lie beside the graph, or the quantizer failed.
        UnknownName: there is no such quantizer.
    """
    require("onnx", "export")
    require("onnxruntime", "cpu")
    if isinstance(lowering.graph, ExternalGraph):
        raise ExportError(
            "INT8 and FP8 are not made of a graph with its weights beside it; ask for fp32, fp16 or bf16, or export a"
            " smaller part of the generator"
        )
    if not lowering.calibration:
        raise ExportError("no data for calibration; name some with --calibration")
    if set(layers(_parsed(lowering))) <= lowering.fp32_layers:
        return lowering.graph
    return load_plugin(__name__, lowering.quantizer, "quantizer").quantize(lowering, element)


def switched(lowering: Lowering, element: str) -> bytes | None:
    """The graph of `Precision.switched`; None if the quantizer makes none.

    Args:
        lowering: the graph, with calibration inputs and the name of the quantizer.
        element: ONNX's name of the type.
    """
    make = getattr(load_plugin(__name__, lowering.quantizer, "quantizer"), "switched", None)
    if make is None or isinstance(lowering.graph, ExternalGraph):
        return None
    _parsed(lowering)
    return make(lowering, element)


def _parsed(lowering: Lowering) -> onnx.ModelProto:
    """The FP32 graph, parsed once: a search asks for hundreds of graphs, and each is made from this one."""
    if "proto" not in lowering.seen:
        lowering.seen["proto"] = require("onnx", "export").load_from_string(lowering.graph)
    return lowering.seen["proto"]
