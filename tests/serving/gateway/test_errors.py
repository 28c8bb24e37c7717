import pytest

from litho.errors import DeadlineExceeded, EndpointBusy, EndpointError, EndpointUnavailable, InvalidInput
from litho.serving.gateway.errors import as_api_error

SECRET = "/home/somebody: a red circle"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DeadlineExceeded(SECRET), 504, "deadline_exceeded"),
        (EndpointBusy(SECRET), 503, "server_busy"),
        (EndpointUnavailable(SECRET), 503, "server_unavailable"),
        (EndpointError(SECRET), 502, "model_failed"),
        (ZeroDivisionError(SECRET), 500, "internal_error"),
    ],
)
def test_what_others_said_is_not_passed_on(error: Exception, status: int, code: str) -> None:
    said = as_api_error(error)
    assert (said.status, said.code, said.kind) == (status, code, "server_error")
    assert SECRET not in str(said.document())
    assert ("Retry-After" in said.headers) == (status == 503)


def test_a_wrong_value_is_the_clients_to_change() -> None:
    said = as_api_error(InvalidInput("field 'seed' was given value -1"), "seed")
    assert said.status == 400
    assert said.document("request-1") == {
        "error": {
            "message": "field 'seed' was given value -1",
            "type": "invalid_request_error",
            "param": "seed",
            "code": None,
            "request_id": "request-1",
        }
    }
