from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from litho.errors import EndpointError, InvalidInput
from litho.runners.triton import Options
from litho.serving.clients import AsyncClient
from litho.serving.gateway import together as together_module
from litho.serving.gateway.together import Together, _groups, _Part

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


def test_requests_of_one_moment_are_sent_as_one_and_get_their_own_pictures(with_tiny: Any) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        rows = [row(seed, seed % 10) for seed in range(12)]
        answers = await asyncio.gather(*(together.submit(one, Options()) for one in rows))
        assert (together.requests, together.sent) == (12, 1)
        for one, answer in zip(rows, answers, strict=True):
            alone = await client.submit(one)
            assert answer["image"].shape == (1, 32, 32, 1)
            assert np.abs(answer["image"].astype(int) - alone["image"]).max() <= 1

    with_tiny(work)


def test_requests_that_want_other_things_travel_apart(with_tiny: Any) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        options = [Options(timeout_seconds=30), Options(timeout_seconds=40), Options(timeout_seconds=30)]
        await asyncio.gather(*(together.submit(row(seed), one) for seed, one in enumerate(options)))
        assert together.sent == 2
        await together.submit(row(9), Options())
        assert together.sent == 3

    with_tiny(work)


def test_the_others_get_their_pictures_when_one_leaves(with_tiny: Any) -> None:
    async def work(together: Together, client: AsyncClient) -> None:
        answers = [together.submit(row(seed), Options()) for seed in range(3)]
        answers[0].cancel()  # before it is sent
        await asyncio.sleep(0)
        answers[1].cancel()  # after
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
        asked = [together.submit(row(seed, label), Options()) for seed, label in ((1, 3), (2, 99), (3, 4))]
        first, refused, last = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(refused, EndpointError)
        assert first["image"].shape == last["image"].shape == (1, 32, 32, 1)
        assert together.sent == 4

    with_tiny(work)


class Gated:
    """A connected client whose first answer is kept back until the gate opens."""

    def __init__(self, client: AsyncClient) -> None:
        self._client, self._sent, self.gate = client, 0, asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def submit(self, inputs: Any, options: Options) -> asyncio.Task[Any]:
        self._sent += 1
        return asyncio.create_task(self._kept_back(inputs, options, self._sent == 1))

    async def _kept_back(self, inputs: Any, options: Options, first: bool) -> Any:
        answer = await self._client.submit(inputs, options)
        if first:
            await self.gate.wait()
        return answer


async def turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def busy(client: AsyncClient) -> tuple[Together, Gated, asyncio.Future[Any]]:
    """A server that has as much to do as is sent without regard to that, and the request that it works on."""
    gated = Gated(client)
    together = Together(gated, at_once=1)  # type: ignore[arg-type]
    return together, gated, together.submit(row(0), Options())


def test_while_the_server_is_busy_requests_wait_for_each_other(
    with_tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together_module, "LONGEST_WAIT_SECONDS", 600.0)

    async def work(_: Together, client: AsyncClient) -> None:
        together, gated, first = busy(client)
        await turns()
        answers = []
        for seed in range(1, 5):
            answers.append(together.submit(row(seed), Options()))
            await turns()
        answers.pop().cancel()
        assert together.sent == 1
        gated.gate.set()
        for seed, answer in enumerate([first, *answers]):
            alone = await client.submit(row(seed))
            assert np.abs((await answer)["image"].astype(int) - alone["image"]).max() <= 1
        assert together.sent == 2
        await together.submit(row(9), Options())  # nobody waits for a server that has nothing to do
        assert together.sent == 3

    with_tiny(work)


def test_a_full_batch_waits_for_nobody(with_tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together_module, "LONGEST_WAIT_SECONDS", 600.0)

    async def work(_: Together, client: AsyncClient) -> None:
        together, gated, first = busy(client)
        await turns()
        answers = []
        for seed in range(client.max_batch_size):
            assert together.sent == 1
            answers.append(together.submit(row(seed), Options()))
            await turns()
        assert together.sent == 2
        await asyncio.gather(*answers)
        assert not first.done()
        gated.gate.set()
        await first

    with_tiny(work)


def test_no_request_waits_for_long(with_tiny: Any) -> None:
    async def work(_: Together, client: AsyncClient) -> None:
        together, gated, first = busy(client)
        await turns()
        await together.submit(row(1), Options())
        assert not first.done()
        gated.gate.set()
        await first

    with_tiny(work)


@pytest.mark.parametrize(
    "options",
    [
        Options(priority=1),
        Options(queue_seconds=30),
        Options(timeout_seconds=0.9),
        Options(traceparent=f"00-{'1' * 32}-{'2' * 16}-01"),
    ],
)
def test_a_request_that_is_urgent_or_has_no_equals_does_not_wait(with_tiny: Any, options: Options) -> None:
    async def work(_: Together, client: AsyncClient) -> None:
        together, gated, first = busy(client)
        await turns()
        answer = together.submit(row(1), options)
        await asyncio.sleep(0)
        assert together.sent == 2
        gated.gate.set()
        await asyncio.gather(first, answer, return_exceptions=True)

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
