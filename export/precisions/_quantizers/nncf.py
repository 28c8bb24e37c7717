"""NNCF, the quantizer of OpenVINO's makers, as an option."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from ....errors import ExportError
from ....extras import require
from ....runners.openvino import in_own_thread
from ...node_names import top_module_of
from ..base import FP32_MODULES, Lowering, finished

__all__ = ["quantize"]

SUMMARY = "NNCF's post-training quantization"


def quantize(lowering: Lowering, element: str) -> bytes:
    """Quantize by `nncf.quantize`, all but noise, pixels and the FP32 layers; see `quantize`.

    Raises:
        ExportError: NNCF has no such type, or failed.
    """
    if element != "INT8":
        raise ExportError("nncf quantizes ONNX graphs to INT8 only; for FP8 leave --quantizer out")
    onnx, nncf = require("onnx", "export"), require("nncf", "nncf")
    import onnx_ir as ir

    nncf.set_log_level(logging.ERROR)
    proto = onnx.load_from_string(lowering.graph)
    ignored = [
        node.name
        for node in proto.graph.node
        if node.name in lowering.fp32_layers or top_module_of(node.name) in FP32_MODULES
    ]
    try:
        made: Any = in_own_thread(
            partial(
                nncf.quantize,
                proto,
                nncf.Dataset([dict(batch) for batch in lowering.calibration]),
                subset_size=len(lowering.calibration),
                target_device=nncf.TargetDevice.CPU,
                ignored_scope=nncf.IgnoredScope(names=ignored, validate=False),
            )
        )
    except Exception as error:
        raise ExportError(f"nncf cannot quantize the graph: {str(error).splitlines()[0]}") from error
    model = ir.from_proto(made)
    model.metadata_props.clear()
    model.metadata_props.update({entry.key: entry.value for entry in proto.metadata_props})
    model.metadata_props["litho.element"] = element
    return finished(model, lowering.graph)
