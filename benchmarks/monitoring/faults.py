"""Faults that alerts must notice: each is made on a running server, and the alert has to fire."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ...runners._endpoint import Endpoint
from ...runners.triton import Runner
from ...serving.server.embedded import EmbeddedServer
from ...serving.server.processes import stubs_of
from ..gateway.overhead import body_of
from ..gateway.process import GatewayProcess
from ..load.measuring.requests import Requests
from .facts import IMAGES
from .prometheus import Prometheus
from .queries import FILES, compressed

__all__ = ["FACTOR", "INTERVAL", "fire"]

FACTOR = 60.0
"""Divides the ranges and `for` of the rules: a minute becomes a second."""
INTERVAL = 0.25
LIMIT_SECONDS = 60.0
"""Longest wait for an alert; the slowest of them takes 15 s and what its range needs to fill."""
_CLIENTS = 4
_POLL_SECONDS = 0.1


def fire(
    folder: Path, server: EmbeddedServer, gateway: GatewayProcess, runners: Sequence[Runner]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Make the faults one after the other; server and gateway are of no use afterwards.

    Args:
        folder: for Prometheus.
        server: whose first model makes whole requests.
        gateway: before it.
        runners: of its models.

    Returns:
        Alert -> seconds from its fault until it fired, and the alerts that did not fire.
    """
    fired: dict[str, float] = {}
    missed: list[str] = []
    targets = {
        "litho-triton": server.metrics_url.split("/")[2],
        "litho-gateway": gateway.address,
    }
    rules = compressed((FILES / "rules.yaml").read_text(encoding="utf-8"), FACTOR)
    with Prometheus(folder, targets, rules, INTERVAL) as prometheus:

        def expect(*names: str) -> None:
            began, wanted = time.monotonic(), set(names)
            while wanted and time.monotonic() - began < LIMIT_SECONDS:
                for name in wanted & prometheus.alerts():
                    fired[name] = round(time.monotonic() - began, 1)
                    wanted.discard(name)
                time.sleep(_POLL_SECONDS)
            missed.extend(sorted(wanted))

        first = runners[0]
        prometheus.wait_for_scrapes()
        for stub in stubs_of(server.process_id):
            if stub.model == _name(first):
                os.kill(stub.pid, signal.SIGKILL)
        with _asked(gateway, first):
            expect("LithoRequestsFail", "LithoErrorBudgetBurnsFast", "LithoErrorBudgetBurnsSlowly")
        server.stop(at_once=True)
        expect("LithoTritonGone", "LithoGatewayWithoutTriton")
        gateway.stop()
        expect("LithoGatewayGone")
    return fired, tuple(missed)


@contextmanager
def _asked(gateway: GatewayProcess, runner: Runner) -> Iterator[None]:
    """While the block runs, clients ask a gateway again and again for pictures that nobody can make."""
    body = body_of(_name(runner), runner.signature, Requests(runner.signature, 0).take(1))
    headers = {"Content-Type": "application/json"}
    content = json.dumps(body).encode()
    request = urllib.request.Request(f"{gateway.url}{IMAGES}", content, headers)  # noqa: S310
    end = threading.Event()

    def ask() -> None:
        while not end.is_set():
            # The gateway tries for some seconds, so this loop is no busy one.
            with suppress(OSError), urllib.request.urlopen(request, timeout=60):  # noqa: S310
                pass

    threads = [threading.Thread(target=ask) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()


def _name(runner: Runner) -> str:
    return Endpoint.parse(runner.url).model
