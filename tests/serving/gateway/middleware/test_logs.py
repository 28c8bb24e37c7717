import pytest

from .conftest import Make


async def failing(scope: object, receive: object, send: object) -> None:
    raise ValueError("a secret prompt")


def test_a_line_says_who_and_how_and_nothing_of_the_request(guarded: Make) -> None:
    app = guarded("request_id", "logs")
    answer = app.ask("POST", "/v1/images/secret-path?prompt=secret", json={"prompt": "secret"})
    (line,) = app.lines()
    assert "secret" not in str(line)
    assert line["event"] == "request"
    assert line["level"] == "info"
    assert line["status"] == 200
    assert line["method"] == "POST"
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["client"] == "127.0.0.1"
    assert line["key"] == ""
    assert line["seconds"] > 0
    assert line["sent_bytes"] == len(answer.content)


def test_the_content_that_head_leaves_out_is_not_counted(guarded: Make) -> None:
    app = guarded("request_id", "logs")
    app.ask("HEAD")
    (line,) = app.lines()
    assert (line["status"], line["sent_bytes"]) == (200, 0)


def test_a_route_adds_facts(guarded: Make) -> None:
    async def inner(scope: dict, receive: object, send: object) -> None:
        scope["state"]["facts"].update(model="digits", pictures=3, user="a secret")
        await send({"type": "http.response.start", "status": 429, "headers": []})
        await send({"type": "http.response.body", "body": b"ab"})

    app = guarded("request_id", "logs", inner=inner)
    app.ask("POST")
    (line,) = app.lines()
    assert (line["model"], line["pictures"], line["level"], line["sent_bytes"]) == ("digits", 3, "warning", 2)
    assert "secret" not in str(line)


def test_a_failure_that_nothing_answered_is_logged_too(guarded: Make) -> None:
    app = guarded("request_id", "logs", inner=failing)
    app.ask()
    (line,) = app.lines()
    assert (line["status"], line["level"]) == (500, "error")
    assert "secret" not in str(line)


@pytest.mark.parametrize(("level", "count"), [("info", 1), ("warning", 0)])
def test_what_goes_well_can_be_left_out(guarded: Make, level: str, count: int) -> None:
    app = guarded("request_id", "logs", log_level=level)
    app.gateway.guard.log._levels -= {"info"} if level == "warning" else set()
    app.ask()
    assert len(app.lines()) == count
