"""The verb `gateway`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .base import AsJson, verb
from .serving import PANEL


@verb(PANEL, "litho gateway grpc://127.0.0.1:8001 --port 8080")
def gateway(
    server: Annotated[str, typer.Argument(help="The Triton server, grpc://HOST:PORT.", show_default=False)],
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind; 0 for a free one.")] = 8080,
    as_json: AsJson = False,
) -> None:
    """Answer HTTP by OpenAI's images API, and show the playground.

    It runs before a server of 'litho serve'. Ctrl-C or SIGTERM ends it. With --json its address is one line on
    standard output.
    """
    from ..errors import UsageError
    from ..extras import require

    for module in ("fastapi", "uvicorn"):
        require(module, "gateway")
    from pydantic import ValidationError

    from ..serving.gateway.program import Program
    from ..serving.gateway.settings import GatewaySettings

    try:
        settings = GatewaySettings(server=server, host=host, port=port)
    except ValidationError as error:
        (first, *_) = error.errors()
        name = str(first["loc"][0])
        allowed = "grpc://HOST:PORT" if name == "server" else first["msg"]
        raise UsageError(f"{name} was given {first['input']!r}; expected {allowed}") from None

    def ready() -> None:
        document = json.dumps({"event": "ready", "gateway": program.url})
        typer.echo(document if as_json else f"gateway {program.url}\nstop with Ctrl-C")

    program = Program(settings, ready)
    program.run()
