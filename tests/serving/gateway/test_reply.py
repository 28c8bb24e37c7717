"""The status of a stream is that of its first event."""

import json
import urllib.error
import urllib.request

import pytest

from litho.serving.gateway.program import Program
from tests.streaming import REFUSED


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_at_once_is_an_error_of_http(streaming_gateway: Program, stream: bool) -> None:
    body = {"model": "sketch", "stream": stream, "seed": REFUSED}
    request = urllib.request.Request(
        f"{streaming_gateway.url}/v1/images/generations",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(request)
    with failed.value:
        assert failed.value.code == 502
        error = json.load(failed.value)["error"]
    assert "seed" not in error["message"]
