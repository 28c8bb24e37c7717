"""Client of a served model: one call gives one array of images."""

from __future__ import annotations

from ..runners import Endpoint
from ..runners.triton import DEFAULT_TIMEOUT_SECONDS, Runner

__all__ = ["Client"]


class Client(Runner):
    """Client of a model that litho deployed: a `Runner` with `generate`, to which the server sends the signature.

        >>> with Client("grpc://127.0.0.1:8001/digits") as client:
        ...     images = client.generate(seed=range(100), label=3)
        >>> images.shape
        (100, 32, 32, 1)

    Args:
        url: the model's endpoint, grpc://HOST:PORT/MODEL.
        model: name of the model, where `url` is only grpc://HOST:PORT.
        timeout_seconds: longest time to wait for one answer.

    Attributes:
        signature: the model's inputs and output.

    Raises:
        UsageError: the endpoint has another form.
        EndpointError: the server cannot be reached, has no such model, or litho did not deploy it.
    """

    def __init__(
        self, url: str, model: str | None = None, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    ) -> None:
        endpoint = Endpoint.parse(url if model is None else f"{url.rstrip('/')}/{model}")
        super().__init__(endpoint.address, endpoint.model, endpoint.version, timeout_seconds=timeout_seconds)

    def __repr__(self) -> str:
        return f"<Client {self.url}, variant {self.served.variant}>"
