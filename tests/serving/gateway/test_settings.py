import pytest
from pydantic import ValidationError

from litho.serving.gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    "server", ["http://127.0.0.1:8001", "grpc://127.0.0.1", "grpc://127.0.0.1:8001/digits"]
)
def test_the_server_is_an_address_without_a_model(server: str) -> None:
    with pytest.raises(ValidationError, match="server"):
        GatewaySettings(server=server)


@pytest.mark.parametrize(
    "address",
    [
        "example.org/litho",
        "http://",
        "http://:80/litho",
        "https://[example.org",
        "https://example.org:port",
        "https://a@example.org",
        "https://example.org/a b",
        "https://example.org/?a=b",
        "https://example.org/a\r\nb: c",
    ],
)
def test_the_public_address_is_one_that_pages_can_have(address: str) -> None:
    with pytest.raises(ValidationError, match=r"expected an address such as https://example\.org/litho"):
        GatewaySettings(server="grpc://127.0.0.1:1", public_url=address)


@pytest.mark.parametrize("origin", ["https://example.org/", "example.org", "https://*", "https://[::1"])
def test_an_origin_is_an_address_without_a_path(origin: str) -> None:
    with pytest.raises(ValidationError, match="expected an origin such as"):
        GatewaySettings(server="grpc://127.0.0.1:1", allow_origins=(origin,))


def test_addresses_by_name_and_number_are_taken() -> None:
    for address in ("http://127.0.0.1:8080", "https://[::1]/", "https://example.org/a/b"):
        assert GatewaySettings(server="grpc://127.0.0.1:1", public_url=address).public_url == address
    origins = ("*", "https://a.example.org", "http://[::1]:8080")
    assert GatewaySettings(server="grpc://127.0.0.1:1", allow_origins=origins).allow_origins == origins
