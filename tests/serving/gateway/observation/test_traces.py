"""Traces, as a real collector gets them: from a client through the gateway and Triton."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from litho.serving.gateway.observation import traces
from litho.serving.gateway.observation.traces import Tracer, traceparent_of
from litho.serving.server.embedded import EmbeddedServer

from ....conftest import running_gateway
from .collector import Span, collector

ROUTE = "POST /v2/models/{model}/infer"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def headers(flag: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"h"), (b"traceparent", f"00-{TRACE}-{PARENT}-{flag}".encode())]


def test_a_span_continues_the_clients_trace_and_says_nothing_of_its_prompt() -> None:
    facts = {
        "model": "digits",
        "pictures": 2,
        "error": "server_busy",
        "prompt": "a secret",
        "request_id": "req_1",
    }
    with collector() as got:
        tracer = Tracer(got.url)
        span = tracer.begin("POST", headers("01"))
        traceparent = traceparent_of(span)
        tracer.end(span, "POST", "/v1/images/generations", 503, facts)
        asyncio.run(tracer.close())
        (sent,) = got.spans
    assert traceparent == f"00-{TRACE}-{sent.id}-01"
    assert (sent.name, sent.trace, sent.parent) == ("POST /v1/images/generations", TRACE, PARENT)
    assert sent.service == "litho-gateway"
    assert sent.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/images/generations",
        "http.response.status_code": 503,
        "error.type": "server_busy",
        "litho.model": "digits",
        "litho.pictures": 2,
        "litho.request_id": "req_1",
    }


@pytest.mark.parametrize(("share", "flag"), [(0.0, "01"), (1.0, "00")])
def test_what_is_not_traced_is_neither_sent_nor_passed_on(share: float, flag: str) -> None:
    with collector() as got:
        tracer = Tracer(got.url, share)
        span = tracer.begin("GET", headers(flag))
        assert traceparent_of(span) is None
        tracer.end(span, "GET", "", 200, {})
        asyncio.run(tracer.close())
        assert got.spans == []


@pytest.mark.parametrize(
    "sent", [b"", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"\xff" * 55, b"0" * 9000]
)
def test_a_broken_context_starts_a_new_trace(sent: bytes) -> None:
    with collector() as got:
        tracer = Tracer(got.url)
        span = tracer.begin("GET", [(b"traceparent", sent)])
        assert traceparent_of(span) is not None
        tracer.end(span, "GET", "/v1/models", 200, {})
        asyncio.run(tracer.close())
        assert [one.parent for one in got.spans] == [""]


@pytest.mark.slow
def test_a_collector_that_is_away_does_not_hold_the_end_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "EXPORT_SECONDS", 1)

    async def ask() -> None:
        tracer = Tracer("http://127.0.0.1:9/v1/traces")
        for _ in range(3000):
            tracer.end(tracer.begin("GET", []), "GET", "/v1/models", 200, {})
        async with asyncio.timeout(120):
            await tracer.close()

    asyncio.run(ask())
    assert "spans batch" in caplog.text


def infer(url: str, head: dict[str, str]) -> Any:
    tensors = [
        {"name": name, "shape": [1, 1], "datatype": "INT64", "data": [1]} for name in ("seed", "label")
    ]
    body = json.dumps({"inputs": tensors}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v2/models/tiny/infer", body, head)) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_one_trace_goes_from_the_client_through_gateway_and_triton(repository: Path, tmp_path: Path) -> None:
    spans: list[Span] = []
    with (
        collector() as got,
        EmbeddedServer(repository, traces=got.url, log=tmp_path / "log") as server,
        running_gateway(server.grpc_url, traces=got.url) as gateway,
    ):
        infer(gateway.url, {"traceparent": f"00-{'7' * 32}-{PARENT}-00"})
        # Triton sends its spans once and drops those that a busy machine does not take in time.
        for parent in (f"{number:016x}" for number in range(1, 11)):
            infer(gateway.url, {"traceparent": f"00-{TRACE}-{parent}-01", "x-request-id": "mine"})
            if spans := got.chain(parent, ROUTE, "InferRequest", "tiny", "compute"):
                break
    assert spans, got.spans
    assert {span.trace for span in got.spans} == {TRACE}, (
        "a request that its client does not trace is not traced"
    )
    assert spans[0].attributes["litho.model"] == "tiny"
    assert spans[2].attributes["triton.model_name"] == "tiny"


@pytest.mark.slow
def test_the_framework_sends_nothing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI can send spans and errors, with what clients sent, to whom the environment names."""
    with collector() as got:
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", got.url.removesuffix("/v1/traces"))
        with (
            running_gateway("grpc://127.0.0.1:1") as gateway,
            urllib.request.urlopen(f"{gateway.url}/healthz"),
        ):
            pass
        assert got.requests == 0
