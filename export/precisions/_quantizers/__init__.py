"""Quantizers: each makes graphs with quantize and dequantize nodes, from an FP32 graph and typical inputs.

A quantizer is one module of this folder with

    quantize  (Lowering, element) -> bytes: content of the ONNX file, checked; `element` is "INT8" or "FLOAT8E4M3FN"
    SUMMARY   what it does, in a few words
"""

from __future__ import annotations

from ....bundle.external_graph import ExternalGraph
from ....errors import ExportError
from ....extras import require
from ....plugins import load_plugin, plugin_names
from ..base import Lowering, layers

__all__ = ["quantize", "quantizer_names"]


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
    onnx = require("onnx", "export")
    require("onnxruntime", "cpu")
    if isinstance(lowering.graph, ExternalGraph):
        raise ExportError(
            "INT8 and FP8 are not made of a graph with its weights beside it; ask for fp32, fp16 or bf16, or export a"
            " smaller part of the generator"
        )
    if not lowering.calibration:
        raise ExportError("no data for calibration; name some with --calibration")
    if "proto" not in lowering.seen:  # a search asks for hundreds of graphs, and each is made from this one
        lowering.seen["proto"] = onnx.load_from_string(lowering.graph)
    if set(layers(lowering.seen["proto"])) <= lowering.fp32_layers:
        return lowering.graph
    return load_plugin(__name__, lowering.quantizer, "quantizer").quantize(lowering, element)
