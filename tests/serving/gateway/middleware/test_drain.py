import asyncio

from .conftest import Make


def test_at_the_end_new_requests_are_refused_and_accepted_ones_finished(guarded: Make) -> None:
    async def inner(scope: object, receive: object, send: object) -> None:
        await release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def use() -> None:
        nonlocal release
        release = asyncio.Event()
        app = guarded("request_id", "drain", inner=inner)
        drain, ended = app.gateway.guard.drain, []
        async with app.client() as client:
            accepted = asyncio.create_task(client.post("/v1/images/generations"))
            while drain.running == 0:
                await asyncio.sleep(0)
            drain.begin(lambda: ended.append(True))
            late = await client.post("/v1/images/generations")
            assert late.status_code == 503
            assert late.json()["error"]["code"] == "server_shutting_down"
            assert late.headers["retry-after"] == "5"
            assert late.headers["connection"] == "close"
            asking = asyncio.create_task(client.get("/healthz"))
            assert not ended
            release.set()
            assert (await accepted).text == "done"
            assert (await asking).status_code == 200
            assert ended == [True]

    release: asyncio.Event
    asyncio.run(use())
