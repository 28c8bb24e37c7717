"""A gateway in a process of its own, before the server of the other tests, and a runner of its model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from litho.benchmarks.gateway.process import GatewayProcess
from litho.runners.triton import Runner

if TYPE_CHECKING:
    from litho.serving.server.embedded import EmbeddedServer


@pytest.fixture(scope="package")
def process(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(server.grpc_url, tmp_path_factory.mktemp("gateway") / "log") as running:
        yield running


@pytest.fixture
def runner(server: EmbeddedServer) -> Iterator[Runner]:
    with Runner(server.grpc_url.removeprefix("grpc://"), "tiny") as opened:
        yield opened
