"""The gateway's memory over many requests of every kind: pictures, tensors, refusals, clients that vanish."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...reporting.progress import Progress
from ...runners.triton import Runner
from ..load.generator import Kind, Plan, Running
from ..load.measuring.requests import Requests
from .documents import Memory, MemorySample
from .overhead import KINDS, body_of, sites_of
from .process import GatewayProcess

__all__ = ["measure_memory"]

IN_FLIGHT = 16
SAMPLES = 40
_ODD_PAUSE_SECONDS = 0.05


def measure_memory(
    runner: Runner,
    gateway: GatewayProcess,
    requests: int,
    progress: Progress,
    *,
    samples: int = SAMPLES,
) -> Memory:
    """Send requests, and note the memory again and again; images and tensors take turns.

    All the time another client sends requests that are refused, and leaves others before they are answered.

    Args:
        runner: of the model at its server.
        gateway: before that server.
        requests: how many.
        progress: called with the step and the share that is done.
        samples: how often the memory is noted.
    """
    sites = {name: site for name, site in sites_of(runner, gateway.address).items() if name != "direct"}
    inputs = Requests(runner.signature, 0)
    kinds = [Kind(inputs.take(1)) for _ in range(KINDS)]
    noted = [MemorySample(requests=0, resident_bytes=gateway.resident_bytes)]
    errors: Counter[str] = Counter()
    done = 0
    first = runner.signature
    body = body_of(sites["images"].model, first, first.example(1))
    with _Odd(gateway.address, body):
        for number in range(samples):
            site = sites[[*sites][number % len(sites)]]
            share = requests // samples
            plan = Plan(kinds, first_seed=number * 2**24, in_flight=IN_FLIGHT)
            with Running(plan, site) as running:
                running.begin()
                running.wait(0.0, share)
                outcomes = running.end()
            errors.update(outcomes.errors)
            done += len(outcomes.began)
            noted.append(MemorySample(requests=done, resident_bytes=gateway.resident_bytes))
            progress("memory", (number + 1) / samples)
    return Memory(requests=done, errors=dict(errors), samples=tuple(noted), settled_after=done // 5)


class _Odd:
    """A thread that sends requests which are refused, or leaves before they are answered, in the `with` block."""

    def __init__(self, address: str, body: Mapping[str, Any]) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._over = threading.Event()
        self._random = random.Random(0)
        good = json.dumps(body).encode()
        self._bodies = (good, good[:-1], b"{}", json.dumps({**body, "n": -1}).encode(), b"\xff" * 100)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_ODD_PAUSE_SECONDS):
            body = self._random.choice(self._bodies)
            head = "POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            with socket.create_connection(self._address, timeout=30) as connection:
                connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                if self._random.random() < 0.5:
                    connection.recv(1 << 16)
