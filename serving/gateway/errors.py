"""Errors as OpenAI's API writes them: a status, and one JSON object that says what to change.

    400 invalid_request_error   a field is unknown, missing, or has a value that is not allowed
    401, 403                    no key, or one that is not valid here
    404 model_not_found         no such model, picture or path
    429 rate_limit_exceeded     more requests than the key may send
    502 model_failed            the model did not make the pictures of a checked request; the server's log says why
    503 server_unavailable      Triton is down, loads the model, or is busy; Retry-After says when to try again
    503 certificate_invalid     the certificate of content credentials has ended; no picture leaves without them
    504 deadline_exceeded       the picture was not made in time
    500 internal_error          a fault of the gateway

A message never holds a prompt, a key, a path of this machine or what another program said.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import (
    CertificateError,
    DeadlineExceeded,
    EndpointBusy,
    EndpointError,
    EndpointUnavailable,
    LithoError,
    ServerError,
    UsageError,
)

__all__ = ["ApiError", "as_api_error", "not_found", "refused"]

RETRY_SECONDS = 1
"""What Retry-After says where nothing better is known."""

CERTIFICATE_SECONDS = 60
"""What it says until somebody renews a certificate."""


class ApiError(Exception):
    """An error that a client is answered with.

    Args:
        status: of HTTP.
        message: one line: what was given, what is allowed.
        kind: OpenAI's `type`.
        param: the field that is wrong, if one is.
        code: OpenAI's `code`, for programs.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.param, self.code = status, message, kind, param, code
        self.headers = dict(headers or {})

    def document(self, request_id: str | None = None, path: str = "") -> dict[str, object]:
        """The JSON object of the answer.

        Args:
            request_id: of the request.
            path: that was asked for: below /v2 `error` is a text, as clients of KServe's protocol expect, and
                everything else stands beside it.
        """
        facts: dict[str, object] = {"type": self.kind, "param": self.param, "code": self.code}
        if request_id is not None:
            facts["request_id"] = request_id
        if path == "/v2" or path.startswith("/v2/"):
            return {"error": self.message, **facts}
        return {"error": {"message": self.message, **facts}}


def refused(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """400: the request has to change."""
    return ApiError(400, message, param=param, code=code)


def not_found(message: str, code: str = "not_found", param: str | None = None) -> ApiError:
    """404: there is no such thing."""
    return ApiError(404, message, param=param, code=code)


def unavailable(message: str, code: str, seconds: int = RETRY_SECONDS) -> ApiError:
    """503: the same request is fine later."""
    return ApiError(503, message, kind="server_error", code=code, headers={"Retry-After": str(seconds)})


def as_api_error(error: Exception, param: str | None = None) -> ApiError:
    """What a client is answered for an error of litho; a fault of the gateway for any other."""
    match error:
        case ApiError():
            return error
        case UsageError():
            return refused(str(error), param)
        case DeadlineExceeded():
            return ApiError(
                504,
                "the picture was not made in time; ask for fewer steps or pictures, or allow more time",
                kind="server_error",
                code="deadline_exceeded",
            )
        case EndpointBusy():
            return unavailable(
                "the model has more requests than it can queue; try again later", "server_busy"
            )
        case EndpointError() if not isinstance(error, EndpointUnavailable):
            return ApiError(
                502,
                "the model failed on this request; the log of its server says why",
                kind="server_error",
                code="model_failed",
            )
        case ServerError():
            return unavailable(
                "the model cannot be reached at the moment; try again later", "server_unavailable"
            )
        case CertificateError():
            return unavailable(
                "the certificate that signs pictures is not valid at this time; try again when it has been renewed",
                "certificate_invalid",
                CERTIFICATE_SECONDS,
            )
        case LithoError():
            return refused(str(error), param)
        case _:
            return ApiError(500, "the gateway failed", kind="server_error", code="internal_error")
