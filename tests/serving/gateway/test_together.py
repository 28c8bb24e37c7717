from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from litho.errors import EndpointError, InvalidInput
from litho.runners.triton import Options
from litho.serving.clients import AsyncClient
from litho.serving.gateway.together import Together, _groups, _Part

from ...conftest import standing_still

if TYPE_CHECKING:
    from litho.serving.server.embedded import EmbeddedServer


def row(seed: int, label: int = 3) -> dict[str, Any]:
    return {"seed": np.array([seed]), "label": np.array([label])}


@pytest.fixture
def with_tiny(server: EmbeddedServer) -> Callable[[Callable[[Together, AsyncClient], Awaitable[Any]]], Any]:
    """Runs work with the model "tiny" in an event loop of its own."""

    def running(work: Callable[[Together, AsyncClient], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            async with AsyncClient(f"{server.grpc_url}/tiny") as client:
                return await work(Together(client), client)

        return asyncio.run(main())

    return running


def test_requests_of_one_moment_share_few_and_get_their_own_pictures(with_tiny: Any) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        rows = [row(seed, seed % 10) for seed in range(12)]
        answers = await asyncio.gather(*(together.submit(one, Options()) for one in rows))
        assert (together.requests, together.sent) == (12, 4)
        for one, answer in zip(rows, answers, strict=True):
            alone = await client.submit(one)
            assert answer["image"].shape == (1, 32, 32, 1)
            assert np.abs(answer["image"].astype(int) - alone["image"]).max() <= 1

    with_tiny(work)


def test_requests_that_want_other_things_travel_apart(with_tiny: Any) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        options = [Options(timeout_seconds=30), Options(timeout_seconds=40)] * 8
        await asyncio.gather(*(together.submit(row(seed), one) for seed, one in enumerate(options)))
        assert together.sent == 4 + 2  # 8 in hand in shares of two, then 16 in shares of four
        await together.submit(row(99), Options())
        assert together.sent == 4 + 2 + 1

    with_tiny(work)


def test_what_arrives_turn_by_turn_travels_together_while_the_server_is_busy(
    with_tiny: Any, server: EmbeddedServer
) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        many = {"seed": np.arange(8), "label": np.full(8, 3)}
        with standing_still(server):
            early = [together.submit(many, Options()) for _ in range(16)]
            await asyncio.sleep(0)
            assert together.sent == 4
            late = []
            for seed in range(2):
                late.append(together.submit(row(seed), Options()))
                await asyncio.sleep(0)
            assert together.sent == 4  # a turn brought more
        await asyncio.gather(*early, *late)
        assert together.sent == 4 + 1

    with_tiny(work)


def test_the_others_get_their_pictures_when_one_leaves(with_tiny: Any) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        answers = [together.submit(row(seed), Options()) for seed in range(9)]
        answers[0].cancel()  # before it is sent
        await asyncio.sleep(0)
        answers[1].cancel()  # after
        assert together.sent == 4
        assert (await answers[2])["image"].shape == (1, 32, 32, 1)
        alone = together.submit(row(7), Options())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        alone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await alone

    with_tiny(work)


def test_what_could_end_the_server_is_refused_at_once(with_tiny: Any) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        with pytest.raises(InvalidInput):
            together.submit({"seed": np.empty(0, np.int64), "label": np.empty(0, np.int64)}, Options())
        assert together.sent == 0

    with_tiny(work)


def test_a_request_that_the_server_refuses_fails_alone(with_tiny: Any) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        # Values are the server's to check: nobody has asked `signature.check` here.
        labels = (3, 99, 4, 5, 6, 7, 8, 9)
        asked = [together.submit(row(seed, label), Options()) for seed, label in enumerate(labels)]
        first, refused, *others = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(refused, EndpointError)
        assert all(one["image"].shape == (1, 32, 32, 1) for one in (first, *others))
        assert together.sent == 4 + 2  # the two of the first share are asked again, each alone

    with_tiny(work)


def test_what_is_in_hand_is_spread_so_that_no_instance_waits(with_tiny: Any, server: EmbeddedServer) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        with standing_still(server):
            early = [together.submit(row(seed), Options()) for seed in range(16)]
            await asyncio.sleep(0)
            assert together.sent == 4  # of four pictures each
            late = [together.submit(row(seed), Options()) for seed in range(16, 24)]
            await asyncio.sleep(0)
            assert together.sent == 4 + 2  # 24 in hand: of six at most
        await asyncio.gather(*early, *late)
        await together.submit(row(24), Options())
        assert together.sent == 4 + 2 + 1

    with_tiny(work)


@pytest.mark.parametrize(
    ("rows", "most", "expected"),
    [([1, 1, 1], 2, [[1, 1], [1]]), ([3, 1], 2, [[3], [1]]), ([], 4, []), ([2, 2, 1], 4, [[2, 2], [1]])],
)
def test_groups_hold_no_more_rows_than_a_batch(rows: list[int], most: int, expected: list[list[int]]) -> None:
    async def parts() -> list[_Part]:
        loop = asyncio.get_running_loop()
        return [_Part({}, count, Options(), loop.create_future()) for count in rows]

    made = asyncio.run(parts())
    assert [[part.rows for part in group] for group in _groups(made, most)] == expected


def test_groups_are_not_too_large_to_be_sent() -> None:
    large = {"image": np.broadcast_to(np.zeros(1, np.uint8), (1, 2**30))}

    async def parts() -> list[_Part]:
        loop = asyncio.get_running_loop()
        return [_Part(large, 1, Options(), loop.create_future()) for _ in range(3)]

    assert [len(group) for group in _groups(asyncio.run(parts()), 8)] == [1, 1, 1]
