"""Models of a real server as the gateway sees them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.served_models import ServedModels
from litho.serving.gateway.settings import GatewaySettings
from litho.serving.server.embedded import EmbeddedServer


def looked_at(server: EmbeddedServer, act: Callable[[ServedModels], Awaitable[None]]) -> None:
    async def run() -> None:
        models = ServedModels(GatewaySettings(server=server.grpc_url))
        await models.start()
        try:
            await act(models)
        finally:
            await models.close()

    asyncio.run(run())


def test_a_model_is_found_by_name_and_variant(server: EmbeddedServer) -> None:
    async def act(models: ServedModels) -> None:
        served = await models.find("tiny")
        assert await models.find(None) is served
        assert await models.find("tiny", "fp32") is served
        assert await models.find("tiny", served.facts.variant) is served
        assert len(served.bundle_sha256) == 64
        with pytest.raises(ApiError, match="has no such variant; there are") as failed:
            await models.find("tiny", "int8")
        assert (failed.value.status, failed.value.param) == (400, "variant")

    looked_at(server, act)


def test_a_second_look_keeps_the_connection(server: EmbeddedServer) -> None:
    async def act(models: ServedModels) -> None:
        served = await models.find("tiny")
        await models.refresh()
        assert await models.find("tiny") is served

    looked_at(server, act)
