import json
import os
import queue
import signal
import urllib.error
import urllib.request

import pytest

from litho.errors import ServerStartError
from litho.serving.gateway.process import GatewayProcess
from litho.serving.server.events import Event


def status_of(url: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(f"{url}/v1/models")
    with failed.value as answer:
        assert json.load(answer)["error"]["code"] == "server_unavailable"
        return answer.code


@pytest.mark.slow
def test_a_gateway_that_dies_is_started_again_and_one_that_is_drained_is_not(free_port: int) -> None:
    events: queue.Queue[Event] = queue.Queue()
    options = ("--port", str(free_port), "--log-level", "error")
    with GatewayProcess("grpc://127.0.0.1:1", options, events.put) as gateway:
        assert gateway.url == f"http://127.0.0.1:{free_port}"
        assert status_of(gateway.url) == 503  # there is no server, but a gateway
        first = gateway.process_id
        assert first is not None
        assert os.sched_getscheduler(first) == os.SCHED_BATCH
        os.kill(first, signal.SIGKILL)
        assert events.get(timeout=120).event == "gateway-died"
        assert events.get(timeout=120).event == "gateway-restarted"
        assert status_of(gateway.url) == 503
        assert gateway.process_id not in (None, first)
        gateway.drain()
        assert gateway.process_id is None
    assert events.empty()


@pytest.mark.slow
def test_one_that_cannot_start_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(ServerStartError, match="the gateway did not start"),
        GatewayProcess("grpc://127.0.0.1:1", ("--keys", "absent.json")),
    ):
        pass
    assert "there is no file of keys at 'absent.json'" in capfd.readouterr().err
