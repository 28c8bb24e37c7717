import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.protection.keys import KeyFile, KeyLimits

from .conftest import Make


def refusal(answer: httpx.Response) -> tuple[int, str, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["type"], error["code"], answer.headers["retry-after"]


def test_over_its_rate_a_client_is_asked_to_wait(guarded: Make) -> None:
    app = guarded("limits", requests_per_minute=3)
    assert [app.ask("POST").status_code for _ in range(3)] == [200] * 3
    over = app.ask("POST")
    *kind, seconds = refusal(over)
    assert kind == [429, "requests", "rate_limit_exceeded"]
    assert 1 <= int(seconds) <= 20  # less what the requests before have taken
    message = f"at most 3 requests a minute are allowed; try again in {seconds} s"
    assert over.json()["error"]["message"] == message
    assert app.ask("GET").status_code == 200


def test_a_key_has_limits_of_its_own(guarded: Make, tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    few, _ = file.create("few", KeyLimits(requests_per_minute=1))
    usual, _ = file.create("usual")
    app = guarded("keys", "limits", keys=file.path, requests_per_minute=2)
    asked = [
        app.ask("POST", headers={"authorization": f"Bearer {key}"}).status_code for key in [few, usual] * 3
    ]
    assert asked == [200, 200, 429, 200, 429, 429]


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"concurrent": 2}, (429, "requests", "rate_limit_exceeded", "1")),
        ({"most_running": 2}, (503, "server_error", "server_busy", "1")),
    ],
)
def test_so_many_at_a_time(
    guarded: Make, settings: dict[str, int], refused: tuple[int, str, str, str]
) -> None:
    async def inner(scope: object, receive: object, send: object) -> None:
        reached.set()
        await release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def use() -> None:
        nonlocal reached, release
        reached, release = asyncio.Event(), asyncio.Event()
        async with app.client() as client:
            held = []
            for _ in range(2):
                held.append(asyncio.create_task(client.post("/")))
                await reached.wait()
                reached.clear()
            assert refusal(await client.post("/")) == refused
            held[0].cancel()  # a client that leaves frees its part
            await asyncio.wait(held[:1])
            held.append(asyncio.create_task(client.post("/")))
            await reached.wait()
            release.set()
            assert [(await one).status_code for one in held[1:]] == [200, 200]
            assert (await client.post("/")).status_code == 200

    app = guarded("limits", inner=inner, **settings)
    reached: asyncio.Event
    release: asyncio.Event
    asyncio.run(use())


def test_slow_bodies_of_one_client_leave_room_for_others(guarded: Make) -> None:
    app = guarded("limits", "body_caps", most_running=8)

    async def use() -> None:
        ends, begun = [asyncio.Event() for _ in range(6)], []

        async def slow(end: asyncio.Event) -> AsyncIterator[bytes]:
            yield b"{"
            begun.append(end)
            await end.wait()
            yield b"}"

        async with app.client() as client, app.client("192.0.2.7") as other:
            held = [asyncio.create_task(client.post("/", content=slow(end))) for end in ends]
            while len(begun) < len(held):
                await asyncio.sleep(0)
            assert refusal(await client.post("/", content=b"{}")) == (
                429,
                "requests",
                "rate_limit_exceeded",
                "1",
            )
            assert (await client.post("/")).status_code == 200  # it brings no body
            assert (await other.post("/", content=b"{}")).status_code == 200
            ends[0].set()
            assert (await held[0]).status_code == 200
            held[1].cancel()
            await asyncio.wait(held[1:2])
            for _ in range(3):
                assert (await client.post("/", content=b"{}")).status_code == 200
            for end in ends:
                end.set()
            assert [(await one).status_code for one in held[2:]] == [200] * 4

    asyncio.run(use())


def test_pictures_are_counted_by_the_route(guarded: Make) -> None:
    guard = guarded("limits", pictures_per_minute=10).gateway.guard
    state = {"key": None, "client": "192.0.2.1"}
    guard.take_pictures(state, 8)
    with pytest.raises(ApiError) as refused:
        guard.take_pictures(state, 4)
    assert (refused.value.status, refused.value.kind) == (429, "images")
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 12  # less what the first 8 have taken
    other = {"key": None, "client": "192.0.2.2"}
    with pytest.raises(
        ApiError, match="11 pictures were asked for; at most 10 a minute are allowed"
    ) as never:
        guard.take_pictures(other, 11)
    assert never.value.status == 400
    guard.take_pictures(other, 10)
