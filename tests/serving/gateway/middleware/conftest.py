"""Middlewares around a small application, without a server behind it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from litho.serving.gateway.exchange import chained
from litho.serving.gateway.gateway import Gateway
from litho.serving.gateway.protection.request_log import RequestLog
from litho.serving.gateway.settings import GatewaySettings

FOLDER = "litho.serving.gateway.middleware"


class Guarded:
    """An application inside some middlewares.

    Attributes:
        gateway: that the middlewares got.
        seen: states of the requests that reached the application.
    """

    def __init__(self, names: Sequence[str], inner: Any, settings: dict[str, Any]) -> None:
        self.gateway = Gateway(GatewaySettings(server="grpc://127.0.0.1:1", **settings))
        self._stream = io.StringIO()
        self.gateway.guard.log = RequestLog(self._stream, "json")
        self.seen: list[dict[str, Any]] = []
        modules = [import_module(f"{FOLDER}.{name}") for name in names]
        stages = [
            module.Middleware(self.gateway) for module in sorted(modules, key=lambda module: module.ORDER)
        ]
        self.app: Any = chained(inner or self._echo, stages)

    async def _echo(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.seen.append(dict(scope.get("state", {})))
        await JSONResponse({"length": len(body)})(scope, receive, send)

    def client(self, address: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(address, 123))
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", **options)

    def ask(self, method: str = "GET", path: str = "/v1/models", **options: Any) -> httpx.Response:
        """Send one request."""

        async def send() -> httpx.Response:
            async with self.client() as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def lines(self) -> list[dict[str, Any]]:
        """What was logged so far."""
        self.gateway.guard.log.close()
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


Make = Callable[..., Guarded]


@pytest.fixture
def guarded() -> Iterator[Make]:
    """Makes an application inside the named middlewares; settings of the gateway are keywords."""
    made: list[Guarded] = []

    def make(*names: str, inner: Any = None, **settings: Any) -> Guarded:
        made.append(Guarded(names, inner, settings))
        return made[-1]

    yield make
    for one in made:
        one.gateway.guard.log.close()
        asyncio.run(one.gateway.close())
