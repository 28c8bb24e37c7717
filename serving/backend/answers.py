"""What is answered in place of pictures: the same words in process, over gRPC and over HTTP."""

# pyright: reportMissingImports=false

from __future__ import annotations

import os
from typing import Any

import triton_python_backend_utils as pb_utils

from ...errors import DeadlineExceeded, EndpointBusy, EndpointUnavailable, LithoError

__all__ = ["DRAIN_VARIABLE", "is_draining", "refusal", "unavailable"]

DRAIN_VARIABLE = "LITHO_DRAIN_FILE"
"""Environment variable with a path. While that file exists, requests are refused: the server is about to end."""


def refusal(error: LithoError) -> Any:
    """The response that carries an error: INVALID_ARG if the request is at fault, UNAVAILABLE if the same request may
    succeed later, INTERNAL otherwise."""
    code = pb_utils.TritonError.INTERNAL
    if isinstance(error, ValueError):
        code = pb_utils.TritonError.INVALID_ARG
    elif isinstance(error, EndpointBusy | EndpointUnavailable | DeadlineExceeded):
        code = pb_utils.TritonError.UNAVAILABLE
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))


def is_draining() -> bool:
    """Whether new requests are to be refused, because the server is about to end."""
    path = os.environ.get(DRAIN_VARIABLE)
    return bool(path) and os.path.exists(path)  # noqa: PTH110 - asked for each batch: a Path takes as long again


def unavailable() -> Any:
    """The response that tells a client to ask another server, or this one later; its request was not begun."""
    words = "the server is shutting down; ask another one, or try again later"
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(words, pb_utils.TritonError.UNAVAILABLE))
