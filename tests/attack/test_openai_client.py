"""OpenAI's client, used in odd but legal ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
from PIL import Image

from ..conftest import running_gateway

if TYPE_CHECKING:
    from litho.serving.gateway.program import Program
    from litho.serving.server.embedded import EmbeddedServer


def client_of(gateway: Program, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(**{"base_url": f"{gateway.url}/v1", "api_key": "none", "max_retries": 0, **options})


def test_raw_and_streamed_answers(gateway: Program) -> None:
    with client_of(gateway) as client:
        raw = client.images.with_raw_response.generate(model="tiny", prompt="3", n=2)
        assert raw.headers["x-request-id"] == raw.request_id == raw.parse()._request_id
        assert len(raw.parse().data or ()) == 2
        with client.images.with_streaming_response.generate(model="tiny", prompt="3") as answer:
            assert answer.status_code == 200  # and what comes is left
        with client.images.with_streaming_response.generate(model="tiny", prompt="3") as answer:
            assert b"b64_json" in b"".join(answer.iter_bytes())


def test_every_kind_of_file_is_taken(streaming_gateway: Program, tmp_path: Path) -> None:
    out = BytesIO()
    Image.new("RGB", (8, 6)).save(out, "PNG")
    content = out.getvalue()
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    read_before = BytesIO(content)
    read_before.read()
    kinds: list[Callable[[], Any]] = [
        lambda: content,
        lambda: BytesIO(content),
        lambda: read_before,
        lambda: path,
        lambda: [path],
        lambda: [BytesIO(content)],
        lambda: ("picture.png", content),
        lambda: ("picture", content, "application/octet-stream"),
        lambda: ("../../ä\r\n.png", BytesIO(content), "image/png", {"X-More": "1"}),
    ]
    with client_of(streaming_gateway) as client:
        for kind in kinds:
            assert client.images.edit(model="larger", image=kind(), prompt="").data
        for wrong, words in (
            ([path, path], "given twice"),
            ([], "missing"),
            ((None, content), "a file name"),
        ):
            with pytest.raises(openai.BadRequestError, match=words):
                client.images.edit(model="larger", image=wrong, prompt="")  # pyright: ignore[reportArgumentType]
        with pytest.raises(openai.BadRequestError, match="it has no fields of its own"):
            client.images.edit(model="larger", image=path, prompt="", extra_body={"strength": 1})


def test_retry_after_steers_the_client(server: EmbeddedServer) -> None:
    """At most 20 a minute are one every 3 s; without a hint the client would give up after half of that.

    While the first 20 are answered more are allowed, on a machine that takes its time.
    """
    with running_gateway(server.grpc_url, requests_per_minute=20) as gateway:
        with client_of(gateway) as client:

            def ask_for_more_than_20() -> None:
                for _ in range(200):
                    client.images.generate(model="tiny", prompt="3")

            with pytest.raises(openai.RateLimitError) as refused:
                ask_for_more_than_20()
            assert int(refused.value.response.headers["retry-after"]) in (1, 2, 3)
        with client_of(gateway, max_retries=2) as patient:
            assert patient.images.generate(model="tiny", prompt="3").data


def test_a_hundred_at_once_and_many_that_are_given_up(gateway: Program) -> None:
    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:

            def one(seed: int) -> Any:
                return client.images.generate(model="tiny", prompt="3", extra_body={"seed": seed})

            answers = await asyncio.gather(*map(one, range(100)))
            assert [answer.data[0].model_extra["seed"] for answer in answers] == list(range(100))
            left = [asyncio.ensure_future(one(seed)) for seed in range(50)]
            await asyncio.sleep(0)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            with pytest.raises(openai.APITimeoutError):
                await client.with_options(timeout=1e-6).images.generate(model="tiny", prompt="3")
            assert (await one(7)).data[0].model_extra["seed"] == 7

    asyncio.run(ask())
