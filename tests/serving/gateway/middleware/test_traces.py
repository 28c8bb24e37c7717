"""The middleware sets what routes pass on; without a collector it does nothing at all."""

import asyncio
from typing import Any

from litho.serving.gateway.exchange import chained
from litho.serving.gateway.gateway import Gateway
from litho.serving.gateway.middleware.traces import Middleware
from litho.serving.gateway.settings import GatewaySettings

from ..observation.collector import collector


def state_of(traces: str | None) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        gateway = Gateway(GatewaySettings(server="grpc://127.0.0.1:1", traces=traces))
        scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": []}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def receive() -> Any:
            raise AssertionError("it has no body")

        async def send(message: Any) -> None:
            pass

        await chained(app, [Middleware(gateway)])(scope, receive, send)
        await gateway.close()
        return scope.get("state", {})

    return asyncio.run(ask())


def test_routes_and_log_get_the_trace() -> None:
    assert state_of(None) == {"facts": {}}
    with collector() as got:
        state = state_of(got.url)
        (span,) = got.spans
    assert state["traceparent"] == f"00-{span.trace}-{span.id}-01"
    assert state["facts"] == {"trace_id": span.trace}
    assert span.attributes["http.response.status_code"] == 200
