import pytest
from pydantic import ValidationError

from litho.serving.gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    "server", ["http://127.0.0.1:8001", "grpc://127.0.0.1", "grpc://127.0.0.1:8001/digits"]
)
def test_the_server_is_an_address_without_a_model(server: str) -> None:
    with pytest.raises(ValidationError, match="server"):
        GatewaySettings(server=server)
