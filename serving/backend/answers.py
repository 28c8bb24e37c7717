"""What is answered in place of pictures: the same words in process, over gRPC and over HTTP."""

# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

import triton_python_backend_utils as pb_utils

from ...errors import DeadlineExceeded, EndpointBusy, EndpointUnavailable, LithoError

__all__ = ["refusal"]


def refusal(error: LithoError) -> Any:
    """The response that carries an error: INVALID_ARG if the request is at fault, UNAVAILABLE if the same request may
    succeed later, INTERNAL otherwise."""
    code = pb_utils.TritonError.INTERNAL
    if isinstance(error, ValueError):
        code = pb_utils.TritonError.INVALID_ARG
    elif isinstance(error, EndpointBusy | EndpointUnavailable | DeadlineExceeded):
        code = pb_utils.TritonError.UNAVAILABLE
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
