"""Health and figures of a real gateway, with Triton and without."""

import contextlib
import json
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.gateway import Gateway
from litho.serving.gateway.program import Program
from litho.serving.gateway.protection.keys import KeyFile
from litho.serving.gateway.routes.health import ready_models
from litho.serving.gateway.settings import GatewaySettings
from litho.serving.server.embedded import EmbeddedServer

from ....conftest import running_gateway, wait_until


def get(url: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def figures(url: str) -> dict[tuple[str, ...], float]:
    status, headers, content = get(f"{url}/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def test_a_gateway_with_models_is_ready(gateway: Program) -> None:
    assert get(f"{gateway.url}/healthz")[0] == 200
    status, _, content = get(f"{gateway.url}/readyz")
    assert (status, json.loads(content)) == (200, {"status": "ok", "models": ["tiny"]})
    # A client of another test may have left a request.
    wait_until(lambda: figures(gateway.url)["litho_gateway_requests_in_flight",] == 1)
    before = figures(gateway.url)
    assert get(f"{gateway.url}/v1/other")[0] == 404
    after = figures(gateway.url)
    assert after["litho_gateway_triton_up",] == 1
    assert after["litho_gateway_requests_in_flight",] == 1  # this one
    key = ("litho_gateway_requests_total", "/metrics", "200", "GET")
    assert after[key] == before.get(key, 0) + 1
    assert (
        after["litho_gateway_rejected_total", "not_found"]
        == before.get(("litho_gateway_rejected_total", "not_found"), 0) + 1
    )
    assert after["process_resident_memory_bytes",] > 10**6


def test_a_gateway_that_ends_is_not_ready() -> None:
    ending = Gateway(GatewaySettings(server="grpc://127.0.0.1:1"))
    ending.guard.drain.begin(lambda: None)
    with pytest.raises(ApiError, match="shutting down") as refused:
        ready_models(ending)
    assert refused.value.status == 503


def test_a_gateway_that_can_read_no_keys_or_enter_nothing_is_not_ready(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    keys, log = tmp_path / "keys.json", tmp_path / "audit.jsonl"
    key, _ = KeyFile(keys).create()
    with running_gateway(server.grpc_url, keys=keys, audit_log=log) as gateway:
        ready = f"{gateway.url}/readyz"
        assert get(ready)[0] == 200
        keys.rename(tmp_path / "away.json")
        status, _, content = get(ready)
        assert (status, json.loads(content)["error"]["code"]) == (503, "keys_unavailable")
        (tmp_path / "away.json").rename(keys)
        assert get(ready)[0] == 200
        log.write_text("")  # somebody removes lines
        until = time.monotonic() + 60
        while (answer := get(ready))[0] == 200:
            request = urllib.request.Request(
                f"{gateway.url}/v1/models", headers={"authorization": f"Bearer {key}"}
            )
            with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request) as models:
                models.read()
            assert time.monotonic() < until
        assert (answer[0], json.loads(answer[2])["error"]["code"]) == (503, "audit_unavailable")
        assert get(f"{gateway.url}/healthz")[0] == 200


def test_a_request_that_does_not_reach_the_server_makes_the_gateway_not_ready(
    repository: Path, tmp_path: Path
) -> None:
    """Whoever asks whether it is ready hears what requests get, and not what the last look found, long ago."""
    body = json.dumps({"label": 3}).encode()
    with ExitStack() as servers:
        server = servers.enter_context(EmbeddedServer(repository, log=tmp_path / "log"))
        with running_gateway(server.grpc_url, refresh_seconds=3600) as gateway:
            assert get(f"{gateway.url}/readyz")[0] == 200
            servers.close()
            with pytest.raises(urllib.error.HTTPError) as failed:
                urllib.request.urlopen(
                    urllib.request.Request(
                        f"{gateway.url}/v1/images/generations", body, {"Content-Type": "application/json"}
                    )
                )
            with failed.value as answer:
                assert answer.status == 503
            until = time.monotonic() + 60
            while get(f"{gateway.url}/readyz")[0] == 200:
                assert time.monotonic() < until


@pytest.mark.slow
def test_without_triton_the_gateway_lives_and_is_not_ready() -> None:
    with running_gateway("grpc://127.0.0.1:1") as gateway:
        assert get(f"{gateway.url}/healthz")[0] == 200
        assert get(f"{gateway.url}/v2/health/live")[0] == 200
        status, headers, content = get(f"{gateway.url}/readyz")
        assert (status, headers["retry-after"]) == (503, "1")
        assert json.loads(content)["error"]["code"] == "server_unavailable"
        status, _, content = get(f"{gateway.url}/v2/health/ready")
        assert status == 503
        assert json.loads(content)["error"] == "the model server cannot be reached; try again later"
        assert figures(gateway.url)["litho_gateway_triton_up",] == 0
