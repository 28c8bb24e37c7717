import asyncio
import json

from .conftest import Make


async def failing(scope: object, receive: object, send: object) -> None:
    raise ValueError("a secret prompt")


def test_a_fault_is_answered_in_the_usual_form_and_logged_without_its_message(guarded: Make) -> None:
    app = guarded("request_id", "logs", "security_headers", "failures", inner=failing)
    answer = app.ask()
    assert answer.status_code == 500
    assert answer.json() == {
        "error": {
            "message": "the gateway failed",
            "type": "server_error",
            "param": None,
            "code": "internal_error",
            "request_id": answer.headers["x-request-id"],
        }
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    failed, request = app.lines()
    assert failed["cause"].startswith("ValueError at test_failures.py:")
    assert failed["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    assert request["status"] == 500
    assert "secret" not in str((failed, request))


def test_a_fault_within_an_answer_ends_the_connection(guarded: Make) -> None:
    async def half(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError

    app = guarded("logs", "failures", inner=half)
    app.ask()
    assert [line["event"] for line in app.lines()] == ["failed", "request"]


def test_what_the_end_cuts_off_is_told_to_come_again(guarded: Make) -> None:
    async def waiting(scope: object, receive: object, send: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    async def use() -> tuple[int, str]:
        nonlocal reached
        reached = asyncio.Event()
        app = guarded("request_id", "drain", "failures", inner=waiting)
        sent: list[dict] = []

        async def send(message: dict) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/images/generations", "headers": []}
        request = asyncio.create_task(app.app(scope, None, send))
        await reached.wait()
        app.gateway.guard.drain.begin(lambda: None)
        request.cancel()
        await request
        return sent[0]["status"], json.loads(sent[1]["body"])["error"]["code"]

    reached: asyncio.Event
    assert asyncio.run(use()) == (503, "server_shutting_down")


def test_a_client_that_leaves_within_its_body_is_no_fault(guarded: Make) -> None:
    async def gone() -> dict:
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        raise AssertionError("nobody is there")

    app = guarded("request_id", "logs", "body_caps", "failures")
    headers = [(b"content-length", b"10")]
    scope = {"type": "http", "method": "POST", "path": "/v1/images/generations", "headers": headers}
    asyncio.run(app.app(scope, gone, send))
    assert [(line["event"], line["status"]) for line in app.lines()] == [("request", 499)]
