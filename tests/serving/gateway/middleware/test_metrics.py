"""Every request is counted, however it ends."""

import asyncio
from typing import Any

import pytest

from litho.serving.gateway.exchange import chained
from litho.serving.gateway.gateway import Gateway
from litho.serving.gateway.middleware.metrics import Middleware
from litho.serving.gateway.settings import GatewaySettings


def counted(app: Any) -> str:
    """The figures after one request to an application that fails in its own way."""

    async def ask() -> str:
        gateway = Gateway(GatewaySettings(server="grpc://127.0.0.1:1"))
        guarded: Any = chained(app, [Middleware(gateway)])

        async def send(message: Any) -> None:
            pass

        try:
            await guarded({"type": "http", "method": "POST"}, None, send)
        except ValueError:
            pass
        finally:
            await gateway.close()
        return gateway.metrics.text()[0].decode()

    return asyncio.run(ask())


async def _answers(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    scope["state"]["facts"].update(model="digits", pictures=2)


async def _fails(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError


async def _says_nothing(scope: Any, receive: Any, send: Any) -> None:
    pass


@pytest.mark.parametrize(("app", "status"), [(_answers, 200), (_fails, 500), (_says_nothing, 499)])
def test_every_request_is_counted_however_it_ends(app: Any, status: int) -> None:
    figures = counted(app)
    assert f'litho_gateway_requests_total{{method="POST",route="none",status="{status}"}} 1.0' in figures
    assert "litho_gateway_requests_in_flight 0.0" in figures
    assert ('litho_gateway_pictures_total{model="digits"} 2.0' in figures) is (status == 200)


def test_what_is_no_request_is_not_counted() -> None:
    async def ask() -> None:
        gateway = Gateway(GatewaySettings(server="grpc://127.0.0.1:1"))
        seen: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope)

        guarded: Any = chained(app, [Middleware(gateway)])
        await guarded({"type": "lifespan"}, None, None)
        await gateway.close()
        assert seen == [{"type": "lifespan"}]

    asyncio.run(ask())
