"""A collector of spans on this machine: OTLP over HTTP, as JSON or as protobuf."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Span:
    name: str
    trace: str
    id: str
    parent: str
    service: str
    attributes: dict[str, Any]


class Collector:
    def __init__(self, url: str) -> None:
        self.url, self.spans, self._came = url, list[Span](), threading.Condition()
        self.requests = 0  # of any kind

    def add(self, spans: list[Span]) -> None:
        with self._came:
            self.spans += spans
            self._came.notify_all()

    def chain(self, parent: str, *names: str, seconds: float = 20) -> list[Span]:
        """The spans of these names, each the parent of the next, once all are there; empty if they do not come."""

        def found() -> list[Span]:
            spans: list[Span] = []
            for name in names:
                above = spans[-1].id if spans else parent
                spans += [span for span in self.spans if (span.name, span.parent) == (name, above)][:1]
            return spans if len(spans) == len(names) else []

        with self._came:
            return self._came.wait_for(found, seconds)


@contextmanager
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                content = gzip.decompress(content)
            got.requests += 1
            if self.path == "/v1/traces":
                is_json = self.headers["content-type"] == "application/json"
                got.add(_from_json(content) if is_json else _from_protobuf(content))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        got = Collector(f"http://127.0.0.1:{server.server_port}/v1/traces")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield got
        finally:
            server.shutdown()
            thread.join()


def _from_json(content: bytes) -> list[Span]:
    return [
        Span(
            span["name"],
            span["traceId"],
            span["spanId"],
            span.get("parentSpanId", ""),
            _attributes(resource["resource"])["service.name"],
            _attributes(span),
        )
        for resource in json.loads(content)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in holder.get("attributes", [])}


def _from_protobuf(content: bytes) -> list[Span]:
    def values(attributes: Any) -> dict[str, Any]:
        return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}

    return [
        Span(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            values(resource.resource.attributes)["service.name"],
            values(span.attributes),
        )
        for resource in ExportTraceServiceRequest.FromString(content).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
