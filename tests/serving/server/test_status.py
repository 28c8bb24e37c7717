import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from litho.errors import UsageError
from litho.serving.server.status import Status, StatusEndpoint


@pytest.fixture
def status() -> Status:
    status = Status()
    status.up = True
    return status


@pytest.fixture
def endpoint(status: Status) -> Iterator[StatusEndpoint]:
    with StatusEndpoint(status) as running:
        yield running


def ask(endpoint: StatusEndpoint, path: str) -> tuple[int, str, Any]:
    try:
        with urllib.request.urlopen(endpoint.url + path) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def figures(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("model", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_every_figure(status: Status, endpoint: StatusEndpoint) -> None:
    status.restarts, status.last_recovery_seconds = 3, 2.5
    status.in_hand = lambda: 7
    status.count("litho_reloads_total", 'od"d\\name')
    status.count("litho_reloads_total", "digits")
    status.count("litho_reloads_total", "digits")
    status.answered("digits", 0.25)
    code, kind, text = ask(endpoint, "/metrics")
    assert (code, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    seen = figures(text)
    assert seen["litho_up", ""] == seen["litho_ready", ""] == 1
    assert seen["litho_restarts_total", ""] == 3
    assert seen["litho_in_hand", ""] == 7
    assert seen["litho_reloads_total", "digits"] == 2
    assert seen["litho_reloads_total", 'od"d\\name'] == 1
    assert seen["litho_canary_seconds", "digits"] == 0.25
    kinds = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert kinds["litho_restarts"] == "counter"
    assert kinds["litho_draining"] == "gauge"
    assert all(family.documentation for family in text_string_to_metric_families(text))


def test_ready_means_that_nothing_is_wrong(status: Status, endpoint: StatusEndpoint) -> None:
    assert ask(endpoint, "/health/ready")[0] == 200
    assert status.problem("digits", "an instance died: signal SIGKILL")
    assert not status.problem("digits", "an instance died: signal SIGKILL")
    code, kind, text = ask(endpoint, "/health/ready")
    assert (code, kind) == (503, "application/json")
    assert json.loads(text) == {"ready": False, "problems": {"digits": "an instance died: signal SIGKILL"}}
    assert figures(status.metrics())["litho_ready", ""] == 0
    assert status.solved("digits")
    assert not status.solved("digits")
    assert ask(endpoint, "/health/ready")[0] == 200
    status.draining = True
    assert ask(endpoint, "/health/ready")[0] == 503
    status.up = status.draining = False
    assert ask(endpoint, "/health/ready")[0] == 503
    assert ask(endpoint, "/health/live")[0] == 200
    assert ask(endpoint, "/other")[0] == 404


def test_its_port_may_be_given_and_a_taken_one_is_told_with_its_owner(status: Status) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        words = rf"port {port} .*in use by process {os.getpid()} \(.*--health-port"
        with pytest.raises(UsageError, match=words), StatusEndpoint(status, port):
            pass
    with StatusEndpoint(status, port) as endpoint:
        assert endpoint.url == f"http://127.0.0.1:{port}"
    with pytest.raises(UsageError, match="70000"), StatusEndpoint(status, 70_000):
        pass
