"""Client of a served model: one call gives one array of images."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..runners import Endpoint
from ..runners.triton import Runner, ServerStatistics
from ..signature import Signature

__all__ = ["Client"]


class Client:
    """Client of a model that litho deployed. The server sends the model's signature.

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

    signature: Signature

    def __init__(self, url: str, model: str | None = None, *, timeout_seconds: float = 60.0) -> None:
        endpoint = Endpoint.parse(url if model is None else f"{url.rstrip('/')}/{model}")
        self._runner = Runner(
            endpoint.address, endpoint.model, endpoint.version, timeout_seconds=timeout_seconds
        )
        self.signature = self._runner.signature

    def __repr__(self) -> str:
        return f"<Client {self._runner.url}, variant {self._runner.served.variant}>"

    def generate(self, **fields: ArrayLike) -> NDArray[np.uint8]:
        """Make one image for each row of the fields, in order.

        A call may ask for any number of images: it sends requests of the model's largest batch, a few at a time.

        Args:
            fields: name -> values, as the signature says; a single value, or one image without the batch axis,
                is used for all images.

        Returns:
            UINT8 of shape (N, height, width, channels), 0 to 255.

        Raises:
            InvalidInput: a field is unknown, missing, or has a value that it does not allow.
            EndpointError: the server went away or refused.
        """
        return self._runner.generate(**fields)

    def statistics(self) -> ServerStatistics:
        """What the server has counted for this model since it started."""
        return self._runner.statistics()

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
