"""ONNX graphs in ONNX Runtime."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError, LithoError, UsageError
from ..extras import require
from ..signature import Signature
from . import base

__all__ = ["Runner"]

_FP8 = b"FLOAT8E4M3FN"
"""What the metadata of a graph with 8-bit floats has in it."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class Runner(base.Runner):
    """Runs the bytes of an ONNX graph.

    Args:
        model: content of the ONNX file; a graph with external data is refused, as its bytes were not checked.
        signature: of the graph.
        device: "cpu" or "cuda".
        threads: for one operator; by default as many as this process may use.
    """

    name = "onnxruntime"

    def __init__(
        self, model: bytes, signature: Signature, device: str = "cpu", threads: int | None = None
    ) -> None:
        # Read when the library is loaded: nobody who serves pictures agreed to usage reports.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        runtime = require("onnxruntime", "cpu")
        provider = _provider(device, runtime.get_available_providers())
        super().__init__(signature, f"ONNX Runtime {runtime.__version__} on {device}")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        # A worker that spins while it waits takes the core that the server's transport needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        if _FP8 in model:
            # Its fusions take quantized layers for 8-bit integers: they refuse 8-bit floats or miscompute.
            options.add_session_config_entry("session.disable_quant_qdq", "1")
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            self._session = runtime.InferenceSession(model, options, providers=[provider])
        except Exception as error:
            # "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : what it means"
            said = str(error).splitlines()[0]
            reason = f"ONNX Runtime refuses the graph: {said.split(' : ', 3)[-1]}"
            # Valid, but of a precision that this device has no kernel for.
            lacking = "NOT_IMPLEMENTED" in said
            raise (DeviceError if lacking else LithoError)(reason) from error

    @classmethod
    def from_graph(cls, graph: bytes, signature: Signature, device: str = "cpu") -> Self:
        """Open the content of an ONNX file."""
        return cls(graph, signature, device)

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        try:
            (images,) = self._session.run([self.signature.output.name], inputs)
        except Exception as error:
            raise LithoError(f"{self.description} failed: {str(error).splitlines()[0]}") from error
        return images


def _provider(device: str, available: list[str]) -> str:
    if device not in _PROVIDERS:
        raise UsageError(f"device {device!r} is unknown to ONNX Runtime (known: {', '.join(_PROVIDERS)})")
    if _PROVIDERS[device] not in available:
        raise UsageError(
            f"this ONNX Runtime has no {_PROVIDERS[device]} (it has: {', '.join(available)});"
            " for a GPU: pip install 'litho[gpu]'"
        )
    return _PROVIDERS[device]
