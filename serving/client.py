"""Pictures from a served model, as an array, by one call."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from ..runners.triton import Runner, ServerStatistics
from ..signature import Signature

__all__ = ["Client"]

IN_FLIGHT = 4
"""Requests of one call that are on their way at the same time: enough that the server never waits for the client."""


class Client:
    """Asks a model that litho deployed; what it takes and gives is learnt from the server.

        with Client("grpc://127.0.0.1:8001", "digits") as client:
            images = client.generate(seed=range(100), label=3)

    Args:
        url: the server's gRPC endpoint, grpc://HOST:PORT.
        model: name of the model.
        timeout_seconds: how long one answer may take.

    Attributes:
        signature: what the model takes and gives.

    Raises:
        UsageError: the address is none.
        EndpointError: the server cannot be reached, has no such model, or litho did not deploy it.
    """

    signature: Signature

    def __init__(self, url: str, model: str, *, timeout_seconds: float = 60.0) -> None:
        scheme, separator, address = url.partition("://")
        if not separator or scheme != "grpc" or not address.strip("/"):
            raise UsageError(f"server {url!r} is no address; give grpc://HOST:PORT")
        self._runner = Runner(address.strip("/"), model, timeout_seconds=timeout_seconds)
        self.signature = self._runner.signature

    def generate(self, **fields: ArrayLike) -> NDArray[np.uint8]:
        """Make one picture for each row of the fields.

        Any number of pictures may be asked for: they travel in requests of the model's largest batch, a few of
        them at a time, and come back in order.

        Args:
            fields: name -> values, as the signature says; a single value, or one image without the batch axis,
                serves every picture.

        Returns:
            UINT8 of shape (N, height, width, channels), 0 to 255.

        Raises:
            InvalidInput: a field is unknown, missing, or given a value that it does not allow.
            EndpointError: the server went away or refused.
        """
        inputs = self.signature.check(_spread(self.signature, fields))
        count = len(next(iter(inputs.values())))
        size = max(1, self._runner.max_batch_size)
        parts: list[NDArray[np.uint8]] = []
        pending: deque[Future[dict[str, NDArray[np.uint8]]]] = deque()
        try:
            for start in range(0, count, size):
                if len(pending) == IN_FLIGHT:
                    parts.append(pending.popleft().result()[self.signature.output.name])
                rows = slice(start, start + size)
                pending.append(self._runner.submit({name: array[rows] for name, array in inputs.items()}))
            while pending:
                parts.append(pending.popleft().result()[self.signature.output.name])
        finally:
            for future in pending:  # where one failed, nobody waits for the others
                future.cancel()
        return np.concatenate(parts)

    def statistics(self) -> ServerStatistics:
        """What the server counted for this model since it started."""
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


def _spread(signature: Signature, fields: dict[str, Any]) -> dict[str, Any]:
    """Values without a batch axis, repeated for as many pictures as the other fields ask for."""
    axes = {field.name: len(field.shape) for field in signature.inputs}
    single = {name for name, values in fields.items() if np.ndim(values) <= axes.get(name, 0)}
    count = max((len(values) for name, values in fields.items() if name not in single), default=1)
    return {
        name: np.repeat(np.asarray(values)[None], count, axis=0) if name in single else values
        for name, values in fields.items()
    }
