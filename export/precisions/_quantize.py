"""Quantize and dequantize nodes around layers, by ONNX Runtime's quantizer; shared by INT8 and FP8."""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from ...errors import ExportError
from ...extras import require
from .base import LAYERS, Inputs, Lowering, finished, layers

__all__ = ["quantize"]


def quantize(lowering: Lowering, kind: str, method: str) -> bytes:
    """Quantize weights per channel and activations per tensor, both symmetric around 0.

    Args:
        lowering: the graph, with calibration inputs.
        kind: member of ONNX Runtime's `QuantType`, for weights and activations.
        method: member of its `CalibrationMethod`, which determines the ranges.

    Raises:
        ExportError: there are no calibration inputs, or the quantizer failed.
    """
    onnx = require("onnx", "export")
    require("onnxruntime", "cpu")
    if not lowering.calibration:
        raise ExportError("no data for calibration; name some with --calibration")
    names = [
        name for name in layers(onnx.load_from_string(lowering.graph)) if name not in lowering.fp32_layers
    ]
    if not names:
        return lowering.graph
    with tempfile.TemporaryDirectory() as folder, _quiet():
        before, after = Path(folder) / "fp32.onnx", Path(folder) / "quantized.onnx"
        before.write_bytes(lowering.graph)
        try:
            _quantize(before, after, lowering.calibration, names, kind, method)
        except Exception as error:
            raise ExportError(
                f"ONNX Runtime cannot quantize the graph: {str(error).splitlines()[0]}"
            ) from error
        model = onnx.load(after)
    for node in model.graph.node:
        # Redundant: the zero point has the type, and ONNX Runtime changes only that for faster unsigned integers.
        kept = [attribute for attribute in node.attribute if attribute.name != "output_dtype"]
        del node.attribute[:]
        node.attribute.extend(kept)
    # Runners read it from the file without parsing the graph.
    onnx.helper.set_model_props(
        model,
        {
            **{entry.key: entry.value for entry in model.metadata_props},
            "litho.element": kind.removeprefix("Q"),
        },
    )
    return finished(model)


def _quantize(
    before: Path, after: Path, calibration: Sequence[Inputs], names: list[str], kind: str, method: str
) -> None:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        """Yields the calibration inputs, batch by batch."""

        def __init__(self) -> None:
            self._batches = iter(calibration)

        def get_next(self) -> Any:
            return next(self._batches, None)

    quantization.quantize_static(
        before,
        after,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=list(LAYERS),
        nodes_to_quantize=names,
        activation_type=quantization.QuantType[kind],
        weight_type=quantization.QuantType[kind],
        calibrate_method=quantization.CalibrationMethod[method],
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            # TensorRT takes only floating-point biases.
            "QuantizeBias": False,
            # A product that is reshaped to a picture is quantized after the reshape; ONNX Runtime fails on both.
            "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
        },
    )


@contextmanager
def _quiet() -> Iterator[None]:
    # The quantizer prints its progress, and asks for shape inference, which the exporter has done.
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
