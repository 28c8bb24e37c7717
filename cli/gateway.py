"""The verb `gateway`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .base import AsJson, verb
from .gateway_settings import settings_of, takes_gateway_settings
from .serving import PANEL


@verb(
    PANEL,
    "litho gateway grpc://127.0.0.1:8001 --port 8080",
    "litho gateway grpc://127.0.0.1:8001 --keys keys.json --requests-per-minute 120",
    "litho gateway grpc://127.0.0.1:8001 --host 0.0.0.0 --keys keys.json --tls-certificate c.pem --tls-key k.pem",
    "litho gateway grpc://127.0.0.1:8001 --settings gateway.json",
)
@takes_gateway_settings
def gateway(
    server: Annotated[str, typer.Argument(help="The Triton server, grpc://HOST:PORT.", show_default=False)],
    settings_file: Annotated[
        Path | None,
        typer.Option("--settings", help="File of settings; options win over it.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Answer HTTP by OpenAI's images API, and show the playground.

    It runs before a server of 'litho serve', and is the only part that other machines may reach: with keys and TLS, or
    with --insecure-remote. Ctrl-C or SIGTERM finishes accepted requests and refuses new ones; a second one ends it at
    once. With --json its address is one line on standard output. Requests are logged on standard error.
    """
    from ..extras import require

    for module in ("fastapi", "uvicorn"):
        require(module, "gateway")
    given = settings_of(server, settings_file, settings)

    from ..serving.gateway.program import Program, give_way, settle_memory

    def ready() -> None:
        settle_memory()
        document = json.dumps({"event": "ready", "gateway": program.url})
        typer.echo(document if as_json else f"gateway {program.url}\nstop with Ctrl-C")

    give_way(given.server)
    program = Program(given, ready)
    program.run()
