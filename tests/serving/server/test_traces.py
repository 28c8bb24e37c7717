"""Options of Triton for traces; tests/serving/gateway/observation/test_traces.py sees the spans arrive."""

import pytest

from litho.errors import UsageError
from litho.serving.server.traces import trace_options


def test_only_requests_with_a_context_are_traced() -> None:
    assert trace_options(None) == []
    options = trace_options("http://127.0.0.1:4318/v1/traces")
    assert "--trace-config=opentelemetry,url=http://127.0.0.1:4318/v1/traces" in options
    assert "--trace-config=rate=0" in options


@pytest.mark.parametrize(
    "url", ["127.0.0.1:4318", "grpc://h:1/v1", "http://h:1", "http://h:1/a,rate=1", "http://h:1/a b"]
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"traces was given .*; expected http://HOST:PORT/v1/traces"):
        trace_options(url)
