"""The chain of stages: who sees what, in which order, and what becomes of errors."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from litho.serving.gateway.errors import ApiError, unavailable
from litho.serving.gateway.exchange import Chain, Exchange, Stage, chained


class Noted(Stage):
    """Writes down what happens to it."""

    def __init__(self, name: str, seen: list[str], refuses: bool = False) -> None:
        self.name, self.seen, self.refuses = name, seen, refuses

    def begin(self, exchange: Exchange) -> ApiError | None:
        self.seen.append(f"begin {self.name}")
        return unavailable("not now", "busy") if self.refuses else None

    def head(self, exchange: Exchange, headers: list[tuple[bytes, bytes]]) -> None:
        headers.append((b"x-stage", self.name.encode()))

    def end(self, exchange: Exchange) -> None:
        self.seen.append(f"end {self.name} {exchange.status}")


class Mending(Stage):
    """Answers errors that nothing else answered."""

    def failed(self, exchange: Exchange, error: BaseException) -> ApiError | bool:
        if isinstance(error, KeyError):
            return True
        return ApiError(500, "broken") if isinstance(error, ValueError) and not exchange.started else False


def asked(app: Any, kind: str = "http", **scope: Any) -> list[dict[str, Any]]:
    """What one request is answered."""
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x-first", b"1"), (b"x-first", b"2")]
    asyncio.run(
        app({"type": kind, "method": "GET", "path": "/x", "headers": headers, **scope}, receive, send)
    )
    return sent


async def answers(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"abc"})


def failing(error: BaseException, started: bool = False) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return app


def test_stages_see_a_request_from_outside_in_and_its_end_from_inside_out() -> None:
    seen: list[str] = []
    start, body = asked(Chain(answers, [Noted("one", seen), Noted("two", seen)]))
    assert seen == ["begin one", "begin two", "end two 201", "end one 201"]
    assert start["headers"] == [(b"a", b"b"), (b"x-stage", b"one"), (b"x-stage", b"two")]
    assert body["body"] == b"abc"


def test_a_stage_that_refuses_hides_the_request_from_later_ones() -> None:
    seen: list[str] = []
    stages = [Noted("one", seen), Noted("two", seen, refuses=True), Noted("three", seen)]
    start, _ = asked(Chain(answers, stages))
    assert start["status"] == 503
    assert seen == ["begin one", "begin two", "end one 503"]


def test_an_error_is_answered_passed_over_or_raised() -> None:
    seen: list[str] = []
    stages = [Noted("one", seen), Mending()]
    assert asked(Chain(failing(ValueError()), stages))[0]["status"] == 500
    assert asked(Chain(failing(KeyError()), stages)) == []
    with pytest.raises(ValueError, match="late"):
        asked(Chain(failing(ValueError("late"), started=True), stages))
    assert [one for one in seen if one.startswith("end")] == ["end one 500", "end one 499", "end one 500"]


def test_a_refusal_stands_in_place_of_what_the_route_says() -> None:
    class Refusing(Stage):
        def begin(self, exchange: Exchange) -> None:
            exchange.refused, exchange.closes = ApiError(413, "too large"), True

    for app in (answers, failing(ValueError())):
        start, _ = asked(Chain(app, [Refusing()]))
        assert (start["status"], start["headers"][-1]) == (413, (b"connection", b"close"))


def test_a_library_s_middleware_stands_behind_its_stage() -> None:
    seen: list[str] = []

    class Wrapping(Noted):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.around = self.wrapped

        def wrapped(self, app: Any) -> Any:
            async def library(scope: Any, receive: Any, send: Any) -> None:
                seen.append("library")
                await app(scope, receive, send)

            return library

    asked(chained(answers, [Noted("one", seen), Wrapping("two", seen), Noted("three", seen)]))
    assert seen[:4] == ["begin one", "begin two", "library", "begin three"]
    assert seen[4:] == ["end three 201", "end two 201", "end one 201"]


def test_what_is_no_request_passes() -> None:
    seen: list[str] = []
    asked(Chain(answers, [Noted("one", seen)]), kind="lifespan")
    assert seen == []


def test_the_first_of_several_headers_counts() -> None:
    exchange = Exchange({"headers": [(b"x", b"1"), (b"x", b"2")]}, None, None)  # pyright: ignore[reportArgumentType]
    assert (exchange.header(b"x"), exchange.header(b"y")) == (b"1", None)


def test_a_request_that_has_ended_leaves_nothing_to_the_search_for_cycles() -> None:
    left: list[weakref.ref[Any]] = []

    class Watching(Stage):
        def begin(self, exchange: Exchange) -> None:
            given = exchange.receive

            async def watched() -> Any:
                return exchange, await given()

            exchange.receive = watched
            left.append(weakref.ref(watched))

    gc.collect()
    gc.disable()
    try:
        asked(Chain(answers, [Watching()]))
        assert [one() for one in left] == [None]
    finally:
        gc.enable()
