"""Hundreds of connections that do nothing, or send a byte now and then, while others ask as usual."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .documents import Connections

__all__ = ["measure_connections"]

_GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_SLOW_PIECE_SECONDS = 1.0
_OPEN_AT_ONCE = 50
_ANSWER_SECONDS = 30.0


def measure_connections(
    address: str, body: Mapping[str, Any], *, idle: int, slow: int, seconds: float
) -> Connections:
    """Open connections, ask meanwhile, and see what becomes of all.

    Idle connections have been opened and send nothing; in the end each asks for /healthz. Slow ones send a request
    for pictures byte by byte, one a second: half of them its head, half of them its body.

    Args:
        address: HOST:PORT of the gateway.
        body: of an ordinary request to `/v1/images/generations`.
        idle, slow: connections of each kind.
        seconds: how long they stay.
    """
    return asyncio.run(_measure(_Ordinary(address, body), idle, slow, seconds))


class _Ordinary:
    """Ordinary requests, one after the other, each on a connection of its own.

    Args:
        address: HOST:PORT of the gateway.
        body: of a request.
    """

    def __init__(self, address: str, body: Mapping[str, Any]) -> None:
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        content = json.dumps(body).encode()
        head = f"POST /v1/images/generations HTTP/1.1\r\nHost: {address}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self.head = head.encode()
        self.content = content

    async def ask(self) -> tuple[float, bool]:
        """Milliseconds that one took, and whether it succeeded."""
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(self.head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + self.content)
        try:
            answer = await asyncio.wait_for(reader.read(-1), _ANSWER_SECONDS)
        finally:
            writer.close()
        return (time.perf_counter() - began) * 1e3, answer.startswith(b"HTTP/1.1 200")

    async def ask_for(self, seconds: float) -> tuple[float, int]:
        """Median milliseconds of the requests of so many seconds, and how many failed."""
        until, taken = time.perf_counter() + seconds, list[tuple[float, bool]]()
        while time.perf_counter() < until:
            taken.append(await self.ask())
        return statistics.median(one for one, _ in taken), sum(not good for _, good in taken)


async def _measure(ordinary: _Ordinary, idle: int, slow: int, seconds: float) -> Connections:
    before, failed_before = await ordinary.ask_for(min(seconds, 5.0))
    opening = asyncio.Semaphore(_OPEN_AT_ONCE)

    async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with opening:
            return await asyncio.open_connection(ordinary.host, ordinary.port)

    quiet = await asyncio.gather(*(opened() for _ in range(idle)))
    until = time.perf_counter() + seconds
    slowly = [asyncio.create_task(_slow(ordinary, opened, number % 2 == 0, until)) for number in range(slow)]
    meanwhile, failed = await ordinary.ask_for(seconds)
    held = sum(await asyncio.gather(*(_answers(*one) for one in quiet)))
    outcomes = Counter(await asyncio.gather(*slowly))
    return Connections(
        idle=idle,
        slow=slow,
        idle_held=held,
        slow_outcomes=dict(sorted(outcomes.items())),
        seconds=seconds,
        p50_before_ms=before,
        p50_meanwhile_ms=meanwhile,
        failed=failed + failed_before,
    )


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
        writer.write(_GET)
        line = await asyncio.wait_for(reader.readline(), _ANSWER_SECONDS)
        writer.close()
        return line.startswith(b"HTTP/1.1 200")
    return False


async def _slow(ordinary: _Ordinary, opened: Any, head: bool, until: float) -> str:
    """How a request ended that comes byte by byte: its status, or "held" if it was still awaited in the end."""
    try:
        reader, writer = await opened()
        if not head:
            writer.write(ordinary.head)
        answer = asyncio.create_task(reader.readline())
        for byte in ordinary.head if head else ordinary.content:
            if time.perf_counter() > until or answer.done():
                break
            writer.write(bytes([byte]))
            await asyncio.wait({answer}, timeout=_SLOW_PIECE_SECONDS)
        if not answer.done():
            answer.cancel()
            writer.close()
            return "held"
        line = answer.result().split()
        writer.close()
        return line[1].decode() if len(line) > 1 else "lost: closed without an answer"
    except OSError as error:
        return f"lost: {error.strerror}"
