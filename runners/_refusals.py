"""What a status of gRPC and the words of Triton mean: try again, send less, wait longer, or ask for something else."""

from __future__ import annotations

import re
from collections.abc import Callable

import grpc

from ..errors import DeadlineExceeded, EndpointBusy, EndpointError, EndpointUnavailable

__all__ = ["explain"]

# Texts of gRPC and of Triton 24.10 for cases with the same status code.
_UNREACHABLE = ("failed to connect", "errors resolving", "DNS resolution failed")
_TOO_SLOW = "tcp handshaker shutdown"
"""A busy machine did not finish the first steps of a connection in time, TLS or not."""

_NO_TLS = ("handshake", "certificate", "wrong_version_number", "hostname verification")
_PLAIN = "wrong_version_number"
"""The other side answers, and not with TLS."""

_BUSY = ("maximum queue size", "timeout expired")
_PASSING = (
    (
        ("no available versions", "not at ready state", "server not ready", "loading or unloading"),
        "does not serve the model at the moment ({}); try again, or look into the server's log",
    ),
    (
        ("shutting down", "is stopping", "stopped accepting"),
        "is shutting down ({}); try again when a server is back",
    ),
    (
        ("is not healthy", "stub process"),
        "lost the process that runs the model ({}); try again, or restart the server",
    ),
    (("rst_stream", "stream removed", "socket closed"), "closed the connection ({}); is the server running?"),
)
"""Signs of a state that passes, in lower case -> what to say."""

_OF_ANOTHER_REQUEST = "incomplete string"
"""Triton 24.10 refuses a whole batch if one request in it has a text with a wrong length, which litho never sends."""

_OF_THE_SERVER = (
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)
_REQUEST_MARK = re.compile(r"^\[request id: [^]]*\] ")


def explain(
    code: grpc.StatusCode,
    details: str | None,
    url: str,
    timeout_seconds: float,
    alternatives: Callable[[], str] = lambda: "'litho serve' lists its models",
) -> EndpointError:
    """The error for a call that failed.

    Args:
        code: status of the call.
        details: what the server or gRPC said.
        url: of the model, for the message.
        timeout_seconds: how long the call might take.
        alternatives: what to ask for instead of a model that the server does not have; called only then.

    Returns:
        `EndpointUnavailable` where the model is expected back, `EndpointBusy` where the queue refused,
        `DeadlineExceeded` where time ran out, a plain `EndpointError` where the request has to change.
    """
    said = _REQUEST_MARK.sub("", " ".join((details or "no reason given").split()))
    lower = said.lower()
    match code:
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(f"{url} did not answer within {timeout_seconds:g} s")
        case grpc.StatusCode.CANCELLED:
            return EndpointError(f"the request to {url} was cancelled: the connection was closed")
        case grpc.StatusCode.UNAVAILABLE if _TOO_SLOW in lower:
            return EndpointUnavailable(f"{url} did not take the connection in time; try again")
        case grpc.StatusCode.UNAVAILABLE if any(sign in lower for sign in _NO_TLS):
            why = "it answers without TLS" if _PLAIN in lower else _last(said)
            return EndpointError(
                f"{url} and this client do not agree on TLS ({why}); check the certificates of both"
            )
        case grpc.StatusCode.UNAVAILABLE if said.startswith(_UNREACHABLE):
            return EndpointUnavailable(
                f"cannot reach {url}: {_last(said)}; check the address, or start 'litho serve'"
            )
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.UNKNOWN if any(sign in lower for sign in _BUSY):
            return EndpointBusy(f"{url} is too busy: {said}; send fewer requests at a time")
    if lower.startswith(_OF_ANOTHER_REQUEST):
        return EndpointUnavailable(f"{url} refused a batch for another client's request ({said}); try again")
    if code in _OF_THE_SERVER:  # other codes may quote what a client sent
        for signs, words in _PASSING:
            if any(sign in lower for sign in signs):
                return EndpointUnavailable(f"{url} {words.format(said)}")
    match code:
        case grpc.StatusCode.NOT_FOUND:
            return EndpointError(f"the server has no model {url}: {alternatives()}")
        case grpc.StatusCode.UNAVAILABLE:
            return EndpointUnavailable(f"{url} closed the connection ({said}); is the server running?")
        case _:
            return EndpointError(f"{url} refused the request: {said}")


def _last(said: str) -> str:
    # The reason stands last, but for the "OK" of another layer.
    return said.removesuffix(": OK").rpartition(": ")[2].strip("].").lower()
