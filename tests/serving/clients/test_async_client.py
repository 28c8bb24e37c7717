"""The client for asyncio, against real servers."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from litho.errors import DeadlineExceeded, EndpointError, EndpointUnavailable, InvalidInput, UsageError
from litho.runners import open_runner
from litho.serving.clients.async_client import AsyncClient
from litho.serving.clients.client import Options
from litho.serving.clients.retries import NO_RETRIES
from litho.serving.server.embedded import EmbeddedServer

from ...streaming import REFUSED, SHORT, SILENT, begun_requests, cancelled_requests, expected

pytestmark = pytest.mark.slow


def test_200_concurrent_requests_get_the_pictures_made_in_process(
    server: EmbeddedServer, bundle: Path
) -> None:
    async def ask() -> list[np.ndarray]:
        async with AsyncClient(f"{server.grpc_url}/tiny") as client:
            answers = await asyncio.gather(
                *(client.generate(seed=seed, label=seed % 10) for seed in range(200))
            )
            assert (await client.statistics()).requests >= 1
            with pytest.raises(InvalidInput, match="value 10"):
                await client.generate(seed=1, label=10)
            assert len(await client.generate(seed=range(300), label=1)) == 300
        return answers

    images = np.concatenate(asyncio.run(ask()))
    with open_runner(bundle) as local:
        made = local.generate(seed=range(200), label=np.arange(200) % 10).astype(int)
    assert np.abs(images - made).max() <= 1
    assert (images == made).mean() >= 0.999


def test_200_concurrent_streams_are_told_apart(streaming_server: EmbeddedServer) -> None:
    async def ask() -> list[np.ndarray]:
        async with AsyncClient(streaming_server.grpc_url, "sketch") as client:
            assert client.decoupled
            return await asyncio.gather(*(client.generate(seed=one, steps=1 + one % 8) for one in range(200)))

    for seed, images in enumerate(asyncio.run(ask())):
        assert images.shape == (1, 4, 4, 1)
        assert images[0, 0, 0, 0] == expected(seed, 1 + seed % 8)


def test_previews_come_before_their_pictures(streaming_server: EmbeddedServer) -> None:
    async def ask() -> list[tuple[int, int, bool]]:
        async with AsyncClient(f"{streaming_server.grpc_url}/sketch") as client:
            made = [one async for one in client.stream(Options(preview_every=2), seed=[5, 6], steps=[4, 5])]
        assert all(one.image[0, 0, 0] == expected(5 + one.row, one.step) for one in made)
        return [(one.row, one.step, one.finished) for one in made]

    assert asyncio.run(ask()) == [
        (0, 2, False),
        (1, 2, False),
        (0, 4, True),
        (1, 4, False),
        (1, 5, True),
    ]


def test_leaving_a_stream_and_cancelling_a_task_reach_the_server(
    streaming_server: EmbeddedServer, streaming_folder: Path
) -> None:
    async def ask() -> None:
        before = cancelled_requests(streaming_folder)
        async with AsyncClient(f"{streaming_server.grpc_url}/sketch") as client:
            async with aclosing(client.stream(Options(preview_every=1), seed=1, steps=1_000_000)) as pictures:
                async for picture in pictures:
                    if picture.step == 5:
                        break
            while cancelled_requests(streaming_folder) < before + 1:
                await asyncio.sleep(0.01)
            begun = begun_requests(streaming_folder)
            task = client.submit({"seed": np.array([SILENT])})
            while begun_requests(streaming_folder) == begun:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while cancelled_requests(streaming_folder) < before + 2:
                await asyncio.sleep(0.01)
            assert await client.generate(seed=3, steps=1) is not None

    asyncio.run(asyncio.wait_for(ask(), 300))


def test_a_whole_request_can_be_left(server: EmbeddedServer) -> None:
    rows = {"seed": np.arange(8), "label": np.full(8, 3)}

    async def ask() -> None:
        async with AsyncClient(f"{server.grpc_url}/tiny") as client:
            left = client.submit(rows)
            await asyncio.sleep(0)
            left.cancel()
            with pytest.raises(asyncio.CancelledError):
                await left
            assert len(await client.generate(seed=1, label=3)) == 1

    asyncio.run(asyncio.wait_for(ask(), 300))


def test_errors_of_a_stream_are_those_of_other_requests(streaming_server: EmbeddedServer) -> None:
    async def ask() -> None:
        async with AsyncClient(f"{streaming_server.grpc_url}/sketch", retries=NO_RETRIES) as client:
            with pytest.raises(EndpointError, match="refused the request: field 'seed'"):
                await client.generate(seed=REFUSED)
            with pytest.raises(EndpointError, match="ended its stream without 1 of 2 pictures"):
                await client.generate(seed=[1, SHORT])
            with pytest.raises(EndpointUnavailable, match=r"streamed nothing for 0\.2 s"):
                await client.generate(Options(answer_seconds=0.2), seed=SILENT)
            with pytest.raises(DeadlineExceeded, match=r"did not answer within 0\.3 s"):
                await client.generate(Options(timeout_seconds=0.3), seed=SILENT)

    asyncio.run(ask())


def test_a_client_that_is_not_connected_or_closed_says_so(server: EmbeddedServer) -> None:
    async def ask() -> None:
        client = AsyncClient(f"{server.grpc_url}/tiny")
        assert repr(client) == f"<AsyncClient {server.grpc_url}/tiny>"
        with pytest.raises(UsageError, match="is not connected; use 'async with'"):
            await client.generate(seed=1, label=1)
        await client.connect()
        await client.connect()
        assert client.served.bundle == "tiny"
        await client.close()
        await client.close()
        with pytest.raises(EndpointError, match="the connection was closed"):
            await client.generate(seed=1, label=1)
        with pytest.raises(EndpointError, match="cannot reach"):
            await AsyncClient("grpc://127.0.0.1:1/tiny").connect()
        with pytest.raises(UsageError, match="expected grpc://HOST:PORT/MODEL"):
            AsyncClient("http://127.0.0.1:1/tiny")

    asyncio.run(ask())
