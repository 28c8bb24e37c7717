"""What gRPC and Triton 24.10 say, and what that asks of a client."""

import grpc
import pytest

from litho.errors import DeadlineExceeded, EndpointBusy, EndpointError, EndpointUnavailable
from litho.runners._refusals import explain

URL = "grpc://127.0.0.1:8001/tiny"
Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "details", "kind", "words"),
    [
        (
            Code.NOT_FOUND,
            "Request for unknown model: 'tiny' has no available versions",
            EndpointUnavailable,
            "does not serve the model at the moment",
        ),
        (
            Code.UNAVAILABLE,
            "Request for unknown model: 'tiny' version 1 is not at ready state",
            EndpointUnavailable,
            "does not serve the model at the moment",
        ),
        (
            Code.INTERNAL,
            "Failed to process the request(s) for model instance 'tiny_0_0', message: Stub process 'tiny_0_0' is not"
            " healthy.",
            EndpointUnavailable,
            "lost the process that runs the model",
        ),
        (
            Code.UNAVAILABLE,
            "[request id: <id_unknown>] Server is stopping, scheduler for model has stopped accepting new inference"
            " requests",
            EndpointUnavailable,
            "is shutting down",
        ),
        (Code.UNAVAILABLE, "the server is shutting down", EndpointUnavailable, "is shutting down"),
        (
            Code.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Connection refused",
            EndpointUnavailable,
            "cannot reach .*: connection refused; .*'litho serve'",
        ),
        (
            Code.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: tcp handshaker shutdown",
            EndpointUnavailable,
            "did not take the connection in time; try again",
        ),
        (
            Code.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Tls handshake failed"
            " (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:"
            "CERTIFICATE_VERIFY_FAILED: certificate has expired: OK",
            EndpointError,
            r"do not agree on TLS \(certificate has expired\); check the certificates",
        ),
        (
            Code.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Custom verification check"
            " failed with error: UNAUTHENTICATED: Hostname Verification Check failed.",
            EndpointError,
            r"do not agree on TLS \(hostname verification check failed\); check the certificates",
        ),
        (
            Code.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Tls handshake failed"
            " (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:100000f7:SSL routines:OPENSSL_internal:"
            "WRONG_VERSION_NUMBER: Invalid certificate verification context: OK",
            EndpointError,
            r"do not agree on TLS \(it answers without TLS\); check the certificates",
        ),
        (Code.UNAVAILABLE, "Socket closed", EndpointUnavailable, "closed the connection"),
        (Code.UNKNOWN, "Stream removed", EndpointUnavailable, "closed the connection"),
        (
            Code.UNAVAILABLE,
            "[request id: <id_unknown>] Exceeds maximum queue size",
            EndpointBusy,
            "too busy: Exceeds maximum queue size; send fewer",
        ),
        (Code.UNAVAILABLE, "Request timeout expired", EndpointBusy, "too busy"),
        (
            Code.INVALID_ARGUMENT,
            "incomplete string data for inference input 'prompt', expecting string of length 1000 but only 3 bytes"
            " available",
            EndpointUnavailable,
            "for another client's request",
        ),
        (Code.DEADLINE_EXCEEDED, "Deadline Exceeded", DeadlineExceeded, "did not answer within 2.5 s"),
    ],
)
def test_a_state_that_passes_has_an_error_of_its_own(
    code: grpc.StatusCode, details: str, kind: type[EndpointError], words: str
) -> None:
    error = explain(code, details, URL, 2.5)
    assert type(error) is kind
    assert URL in str(error)
    assert "\n" not in str(error)
    with pytest.raises(kind, match=words):
        raise error


@pytest.mark.parametrize(
    ("code", "details", "words"),
    [
        (
            Code.NOT_FOUND,
            "Request for unknown model: 'tiny' is not found",
            f"the server has no model {URL}: it has big (version 3)",
        ),
        (
            Code.INVALID_ARGUMENT,
            "[request id: 7] field 'prompt' was given 'a stub process is not healthy'",
            f"{URL} refused the request: field 'prompt' was given 'a stub process is not healthy'",
        ),
        (Code.INTERNAL, "a\nbroken   graph", f"{URL} refused the request: a broken graph"),
        (Code.INTERNAL, None, f"{URL} refused the request: no reason given"),
        (Code.CANCELLED, "Channel closed!", f"the request to {URL} was cancelled: the connection was closed"),
    ],
)
def test_what_has_to_change_is_a_plain_error(code: grpc.StatusCode, details: str | None, words: str) -> None:
    error = explain(code, details, URL, 60, alternatives=lambda: "it has big (version 3)")
    assert type(error) is EndpointError
    assert str(error) == words
