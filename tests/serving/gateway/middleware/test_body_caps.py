import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from .conftest import Make


async def parts(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


def test_a_body_within_the_cap_arrives(guarded: Make) -> None:
    app = guarded("body_caps", most_body_bytes=1000)
    assert app.ask("POST", content=b"x" * 1000).json() == {"length": 1000}
    assert app.ask("POST", content=parts(10, 100)).json() == {"length": 1000}
    assert app.ask().json() == {"length": 0}


@pytest.mark.parametrize("announced", [True, False])
def test_a_larger_one_is_refused(guarded: Make, announced: bool) -> None:
    app = guarded("request_id", "body_caps", most_body_bytes=1000)
    answer = app.ask("POST", content=b"x" * 1001 if announced else parts(11, 100))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"
    assert answer.json()["error"]["message"] == "the body is too large; at most 1000 bytes are allowed"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert not app.seen


@pytest.mark.parametrize("length", ["9" * 30, "1001", "00001001"])
def test_a_length_is_refused_before_any_of_the_body(guarded: Make, length: str) -> None:
    assert (
        guarded("body_caps", most_body_bytes=1000).ask("POST", headers={"content-length": length}).status_code
        == 413
    )


def test_the_framework_s_own_answer_to_a_body_cut_off_is_not_sent(guarded: Make) -> None:
    class Body(BaseModel):
        prompt: str

    inner = FastAPI()

    @inner.post("/v1/models")
    async def route(body: Body) -> str:
        return body.prompt

    app = guarded("logs", "body_caps", "failures", inner=inner, most_body_bytes=1000)
    answer = app.ask("POST", content=parts(11, 100), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert [line["event"] for line in app.lines()] == ["request"]


def test_one_that_takes_too_long_is_refused(guarded: Make) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    answer = guarded("body_caps", body_seconds=0.05).ask("POST", content=slow())
    assert answer.status_code == 408
    assert answer.json()["error"]["code"] == "body_too_slow"
    assert answer.headers["connection"] == "close"


def test_a_packed_one_is_refused(guarded: Make) -> None:
    app = guarded("body_caps")
    assert app.ask("POST", content=b"x", headers={"content-encoding": "gzip"}).status_code == 415
    assert app.ask("POST", content=b"x", headers={"content-encoding": "identity"}).status_code == 200


def test_bodies_of_all_clients_have_a_cap_together(guarded: Make) -> None:
    async def held() -> AsyncIterator[bytes]:
        yield b"x" * 600
        arrived.set()
        await release.wait()
        yield b"x" * 300

    async def use() -> None:
        nonlocal arrived, release
        arrived, release = asyncio.Event(), asyncio.Event()
        async with app.client() as client:
            first = asyncio.create_task(client.post("/", content=held()))
            await arrived.wait()
            second = await client.post("/", content=b"x" * 500)
            assert second.status_code == 503
            assert second.headers["retry-after"] == "1"
            assert (await client.post("/", content=b"x" * 400)).status_code == 200
            release.set()
            assert (await first).json() == {"length": 900}
            assert (await client.post("/", content=b"x" * 1000)).status_code == 200

    arrived: asyncio.Event
    release: asyncio.Event
    app = guarded("body_caps", most_body_bytes=1000, most_bodies_bytes=1000)
    asyncio.run(use())
