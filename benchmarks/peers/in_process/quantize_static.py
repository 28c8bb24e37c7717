"""ONNX Runtime's own post-training INT8."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from ....export.node_names import top_module_of
from ....export.precisions.base import FP32_MODULES
from ....extras import require
from ....runners.onnxruntime import Runner
from ...shared.candidates import Candidate
from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """`quantize_static` with litho's calibration inputs, a scale for each channel."""

    order = 70
    packages = ("onnxruntime",)
    devices = ("cpu",)

    def forms(self, source: base.Source) -> dict[str, base.Form]:
        """The plain graph, with the noise and the pixels left in FP32."""
        onnx, quantization = require("onnx", "export"), require("onnxruntime.quantization", "cpu")
        model = onnx.load_from_string(source.plain)
        excluded = [node.name for node in model.graph.node if top_module_of(node.name) in FP32_MODULES]
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "int8.onnx"
            quantization.quantize_static(
                model,
                made,
                _reader(source),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=excluded,
            )
            content = made.read_bytes()
        candidate = Candidate("int8", partial(Runner, content, source.pipeline.signature))
        return {"quantize_static in ONNX Runtime": base.Form(candidate, "per channel, QUInt8 and QInt8")}


def _reader(source: base.Source) -> Any:
    class Reader(require("onnxruntime.quantization", "cpu").CalibrationDataReader):
        """Yields the calibration inputs, batch by batch."""

        def __init__(self) -> None:
            self._batches = iter(source.calibration)

        def get_next(self) -> Any:
            return next(self._batches, None)

    return Reader()
