"""Whole requests settle their futures whatever happens; through shared memory, see test_shared_memory."""

import threading

import numpy as np
import pytest

from litho.errors import EndpointError
from litho.runners.triton import Runner
from litho.serving.server.embedded import EmbeddedServer

pytestmark = pytest.mark.slow


def test_a_runner_that_was_found_beside_another_asks_its_own_model(streaming_server: EmbeddedServer) -> None:
    found: list[Runner | None] = []
    done = threading.Event()

    def note(other: Runner | None) -> None:
        found.append(other)
        done.set()

    runner = Runner(streaming_server.grpc_url.removeprefix("grpc://"), "whole")
    try:
        runner.look_for("sketch", note)
        assert done.wait(120)
        (other,) = found
        assert other is not None
        assert other._whole._runner is other
        assert other.url.endswith("/sketch")
    finally:
        runner.close()


def test_a_request_over_a_closed_connection_fails_at_once(streaming_server: EmbeddedServer) -> None:
    runner = Runner(streaming_server.grpc_url.removeprefix("grpc://"), "whole")
    inputs = runner.signature.check(runner.signature.example(1))
    assert runner.submit(inputs).result(120)["image"].dtype == np.uint8
    runner.close()
    with pytest.raises(EndpointError):
        runner.submit(inputs).result(120)
