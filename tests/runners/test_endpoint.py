from pathlib import Path

import pytest

from litho.errors import UsageError
from litho.parity.verify import verify
from litho.runners import Endpoint, open_runner


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("grpc://127.0.0.1:8001/digits", Endpoint("127.0.0.1:8001", "digits")),
        ("grpc://[::1]:8001/digits/", Endpoint("[::1]:8001", "digits")),
        ("grpc://gpu.example.org:443/a-b_c.d/12", Endpoint("gpu.example.org:443", "a-b_c.d", "12")),
    ],
)
def test_an_endpoint_is_read_and_written(text: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(text) == endpoint
    assert str(endpoint) == text.removesuffix("/")


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:8001/digits", "grpc://127.0.0.1/digits", "grpc://127.0.0.1:1/"]
)
def test_every_entry_point_refuses_another_form_in_the_same_words(text: str, bundle: Path) -> None:
    for refuse in (Endpoint.parse, open_runner, lambda endpoint: verify(bundle, endpoint=endpoint)):
        with pytest.raises(UsageError) as refused:
            refuse(text)
        assert str(refused.value) == f"invalid endpoint {text!r}; expected grpc://HOST:PORT/MODEL"
