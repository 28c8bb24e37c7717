"""Litho's errors as Triton's: the same words in process, over gRPC and over HTTP."""

# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

import triton_python_backend_utils as pb_utils

from ...errors import LithoError

__all__ = ["refusal"]


def refusal(error: LithoError) -> Any:
    """The response that carries an error: INVALID_ARG if the request is at fault, INTERNAL otherwise."""
    invalid = isinstance(error, ValueError)
    code = pb_utils.TritonError.INVALID_ARG if invalid else pb_utils.TritonError.INTERNAL
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
