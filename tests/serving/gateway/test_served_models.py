"""Models of a real server as the gateway sees them."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.served_models import ServedModels
from litho.serving.gateway.settings import GatewaySettings
from litho.serving.server.embedded import EmbeddedServer
from tests.echo import LARGER, MODEL, write_echo


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


def test_the_log_says_once_that_the_server_does_not_answer_and_once_that_it_does(
    tmp_path: Path, free_port: int
) -> None:
    heard: list[str] = []

    async def act() -> None:
        settings = GatewaySettings(server=f"grpc://127.0.0.1:{free_port}", refresh_seconds=3600)
        models = ServedModels(settings, lambda event: heard.append(event.event))
        await models.start()
        await models.refresh()
        assert (models.up, heard) == (False, ["server-unreachable"])
        write_echo(tmp_path / "models", "late", LARGER)
        with EmbeddedServer(tmp_path / "models", grpc_port=free_port, log=tmp_path / "log"):
            await models.refresh()
            await models.refresh()
        await models.close()

    asyncio.run(act())
    assert heard == ["server-unreachable", "server-reached"]


def test_a_model_that_is_being_loaded_is_one_to_wait_for(
    streaming_server: EmbeddedServer, streaming_folder: Path
) -> None:
    folder = write_echo(streaming_folder, "waiting", LARGER)
    go = folder / "go"
    pause = f"""
    def initialize(self, args):
        import os, time
        while not os.path.exists({str(go)!r}):
            time.sleep(0.01)
"""
    (folder / "1" / "model.py").write_text(f"{MODEL}{pause}")
    control = streaming_server.control()

    async def act(models: ServedModels) -> None:
        with pytest.raises(ApiError, match="no model has this name"):
            await models.find("waiting")
        loading = asyncio.create_task(asyncio.to_thread(control.load, "waiting"))
        try:
            async with asyncio.timeout(120):
                while "waiting" not in models._coming:
                    await models.refresh()
            with pytest.raises(ApiError, match="the model is being loaded") as failed:
                await models.find("waiting")
            assert (failed.value.status, failed.value.code) == (503, "model_loading")
            assert failed.value.headers == {"Retry-After": "5"}
        finally:
            go.touch()
            await loading
        await models.refresh()
        assert (await models.find("waiting")).name == "waiting"

    try:
        looked_at(streaming_server, act)
    finally:
        control.unload("waiting")
        control.close()
        shutil.rmtree(folder)
