"""Sizes, formats and backgrounds of pictures with alpha and of free sizes, on a running gateway's models."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.gateway import Gateway
from litho.serving.gateway.image_request import ImageRequest
from litho.serving.gateway.plan import Uploads, planned
from litho.serving.gateway.settings import GatewaySettings
from litho.serving.server.embedded import EmbeddedServer

from .conftest import hole, png


def with_gateway(server: EmbeddedServer, act: Callable[[Gateway], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        gateway = Gateway(GatewaySettings(server=server.grpc_url, **settings))
        await gateway.start()
        try:
            await act(gateway)
        finally:
            await gateway.close()

    asyncio.run(run())


def test_an_upload_is_cut_to_the_size_that_gives_the_wanted_one(streaming_server: EmbeddedServer) -> None:
    image = png(np.zeros((33, 50, 3), np.uint8))

    async def act(gateway: Gateway) -> None:
        plan = await planned(gateway, ImageRequest(model="larger"), Uploads(image))
        assert plan.size == (64, 96)
        plan = await planned(gateway, ImageRequest(model="larger", size="24x40"), Uploads(image))
        assert plan.size == (40, 24)
        for size in ("4x8", "200x64", "20x24"):
            with pytest.raises(ApiError, match="sides are 8 to 128, divisible by 8"):
                await planned(gateway, ImageRequest(model="larger", size=size), Uploads(image))

    with_gateway(streaming_server, act)


def test_what_a_model_does_not_take_is_said_before_what_it_lacks(server: EmbeddedServer) -> None:
    image = png(np.zeros((6, 8, 3), np.uint8))

    async def act(gateway: Gateway) -> None:
        with pytest.raises(ApiError, match="takes no picture; send the request to /v1/images/generations"):
            await planned(gateway, ImageRequest(prompt=""), Uploads(image))

    with_gateway(server, act)


def test_limits_of_the_gateway_hold(streaming_server: EmbeddedServer) -> None:
    image, mask = png(np.zeros((6, 8, 3), np.uint8)), hole(np.ones((6, 8, 1), np.uint8))

    async def act(gateway: Gateway) -> None:
        for asked, uploads, param in (
            ({"model": "sketch", "n": 3}, None, "n"),
            ({"model": "sketch", "steps": 9}, None, "steps"),
            ({"model": "filled"}, Uploads(image, mask), "image"),
        ):
            with pytest.raises(ApiError) as failed:
                await planned(gateway, ImageRequest.model_validate(asked), uploads)
            assert failed.value.param == param

    with_gateway(streaming_server, act, most_pictures=2, most_steps=8, most_upload_pixels=47)
