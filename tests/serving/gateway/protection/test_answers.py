import asyncio
import json

from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.protection.answers import answer, header_of, state_of


def answered(method: str, error: ApiError, **options: bool) -> list[dict]:
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(answer({"method": method, "state": {"request_id": "req_1"}}, send, error, **options))
    return sent


def test_an_error_is_answered_as_the_routes_answer_it() -> None:
    start, body = answered("POST", ApiError(429, "wait", headers={"Retry-After": "3"}), close=True)
    assert start["status"] == 429
    headers = dict(start["headers"])
    assert headers[b"retry-after"] == b"3"
    assert headers[b"connection"] == b"close"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert json.loads(body["body"])["error"]["request_id"] == "req_1"


def test_head_gets_no_content() -> None:
    start, body = answered("HEAD", ApiError(404, "none"))
    assert body["body"] == b""
    assert int(dict(start["headers"])[b"content-length"]) > 0


def test_headers_and_state_of_a_request() -> None:
    scope = {"headers": [(b"a", b"1"), (b"a", b"2")]}
    assert header_of(scope, b"a") == b"1"
    assert header_of(scope, b"b") is None
    state_of(scope)["key"] = 1
    assert state_of(scope) == {"key": 1}
