"""A session of ONNX Runtime with the options of litho's own runner, for servers that run in another environment."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["dtypes", "open_session"]


def open_session(graph: str, threads: int) -> Any:
    """Open a graph on the CPU.

    Args:
        graph: path of an ONNX file.
        threads: that share one operator.
    """
    # ONNX Runtime reads it while it is loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def dtypes(session: Any) -> dict[str, Any]:
    """Input name -> NumPy dtype."""
    import numpy as np

    names = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
    return {entry.name: names[entry.type] for entry in session.get_inputs()}
