"""The clients of a load, in a process of their own: `python -m litho.benchmarks.faults.clients ENDPOINT PICTURES`.

For each request that ends a line is printed: JSON of the kind of client, when it began and ended on the monotonic
clock, the outcome and the message. The process ends when its standard input is closed.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from ...errors import LithoError
from ...runners import Endpoint
from ...serving.clients.client import Client
from ...signature import Signature
from ..load.measuring.requests import Requests

__all__ = ["KINDS", "ROWS", "inputs_of", "main", "rows_of", "same_picture"]

KINDS = {"raw": 4, "litho": 4, "fresh": 1}
"""Kind of client -> threads that ask, each one request at a time."""

ROWS = 8
PACE_SECONDS = 0.02
"""Shortest time between the starts of two requests of a thread: without it, errors that come at once would spin."""

TIMEOUT_SECONDS = 30.0
FRESH_TIMEOUT_SECONDS = 5.0
RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),
]
"""Without these a channel waits for up to two minutes before it connects again: recovery of the channel alone."""

Row = Mapping[str, NDArray[Any]]
Ask = Callable[[Row], NDArray[np.uint8]]


def rows_of(signature: Signature) -> list[dict[str, NDArray[Any]]]:
    """The inputs of the load: `ROWS` requests for one picture each, the same in every process."""
    block = signature.with_defaults(Requests(signature, 1).take(ROWS))
    return [{name: array[row : row + 1] for name, array in block.items()} for row in range(ROWS)]


def inputs_of(signature: Signature, row: Row) -> list[InferInput]:
    """The inputs of a request as tritonclient takes them."""
    given = []
    for field in signature.inputs:
        array = row[field.name]
        shape = list(array.shape) if field.shape else [len(array), 1]
        given.append(InferInput(field.name, shape, field.dtype))
        given[-1].set_data_from_numpy(array.reshape(shape))
    return given


def same_picture(given: NDArray[np.uint8], expected: NDArray[np.uint8]) -> bool:
    """Whether a picture keeps the contract: at most 1 grey level apart, at most 1 value of 1,000 different.

    Args:
        given: UINT8 (height, width, channels).
        expected: the same, or several of them, (versions, height, width, channels), each of which is right.
    """
    if expected.ndim == given.ndim + 1:
        return any(same_picture(given, one) for one in expected)
    if given.shape != expected.shape:
        return False
    difference = np.abs(given.astype(int) - expected)
    return bool(difference.max() <= 1 and (difference == 0).mean() >= 0.999)


def raw(endpoint: Endpoint, signature: Signature, decoupled: bool) -> Ask:
    """tritonclient over one connection, without retries."""
    client = InferenceServerClient(endpoint.address, channel_args=RECONNECT)
    ask = _streamed if decoupled else _unary
    return lambda row: ask(client, endpoint.model, signature, row, TIMEOUT_SECONDS)


def fresh(endpoint: Endpoint, signature: Signature, decoupled: bool) -> Ask:
    """tritonclient with a connection for each request."""
    ask = _streamed if decoupled else _unary

    def answer(row: Row) -> NDArray[np.uint8]:
        with InferenceServerClient(endpoint.address, channel_args=RECONNECT) as client:
            return ask(client, endpoint.model, signature, row, FRESH_TIMEOUT_SECONDS)

    return answer


def litho(endpoint: Endpoint, signature: Signature, decoupled: bool) -> Ask:
    """litho's client with its retries."""
    client = Client(str(endpoint), timeout_seconds=TIMEOUT_SECONDS)
    return lambda row: client.run(dict(row))[signature.output.name]


def _unary(
    client: InferenceServerClient, model: str, signature: Signature, row: Row, seconds: float
) -> NDArray[np.uint8]:
    name = signature.output.name
    answer = client.infer(
        model,
        inputs_of(signature, row),
        outputs=[InferRequestedOutput(name)],
        client_timeout=seconds,  # pyright: ignore[reportArgumentType] - a number of seconds, also a fraction
    )
    image: Any = answer.as_numpy(name) if answer is not None else None
    if image is None:
        raise InferenceServerException("the answer has no picture", "EMPTY")
    return image


def _streamed(
    client: InferenceServerClient, model: str, signature: Signature, row: Row, seconds: float
) -> NDArray[np.uint8]:
    answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    try:
        client.async_stream_infer(model, inputs_of(signature, row))
        while True:
            result, error = answers.get(timeout=seconds)
            if error is not None:
                raise error
            image = result.as_numpy(signature.output.name)
            if image is not None:
                return image
    except queue.Empty:
        raise InferenceServerException("no answer came on the stream", "DEADLINE_EXCEEDED") from None
    finally:
        client.stop_stream(cancel_requests=True)


def outcome_of(error: Exception) -> tuple[str, str]:
    """Code and message of a failed request."""
    message = " ".join(str(error).split())[:300]
    if isinstance(error, InferenceServerException):
        return (error.status() or "ERROR").removeprefix("StatusCode."), message
    return type(error).__name__, message


class _Asking:
    """Threads that ask until they get the order to stop."""

    def __init__(self, endpoint: Endpoint, images: NDArray[np.uint8]) -> None:
        with Client(str(endpoint)) as client:
            self._signature = client.signature
        self._rows = rows_of(self._signature)
        self._decoupled = _is_decoupled(endpoint)
        self._endpoint, self._images = endpoint, images
        self.stopped = threading.Event()
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask(self, kind: str, first: int) -> None:
        """Ask one request after the other, with the first row given."""
        number, ask = first, None
        while not self.stopped.is_set():
            number += 1
            began = time.monotonic()
            try:
                if ask is None:
                    ask = {"raw": raw, "litho": litho, "fresh": fresh}[kind](
                        self._endpoint, self._signature, self._decoupled
                    )
                image = ask(self._rows[number % ROWS])
                outcome, message = "OK", ""
                if not same_picture(image[0], self._images[..., number % ROWS, :, :, :]):
                    outcome = "WRONG"
            except (LithoError, InferenceServerException, OSError) as error:
                outcome, message = outcome_of(error)
            ended = time.monotonic()
            self.lines.put(json.dumps([kind, began, ended, outcome, message]))
            self.stopped.wait(max(0.0, began + PACE_SECONDS - ended))


def _is_decoupled(endpoint: Endpoint) -> bool:
    with InferenceServerClient(endpoint.address, channel_args=RECONNECT) as client:
        config: Any = client.get_model_config(endpoint.model)
    return bool(config.config.model_transaction_policy.decoupled)


def main(arguments: list[str]) -> None:
    """Ask until standard input ends.

    Args:
        arguments: the endpoint, and the file of the expected pictures, UINT8 (ROWS, height, width, channels), with
            the versions in front where there are several.
    """
    asking = _Asking(Endpoint.parse(arguments[0]), np.load(arguments[1]))
    for kind, count in KINDS.items():
        for first in range(count):
            threading.Thread(target=asking.ask, args=(kind, first), daemon=True).start()
    threading.Thread(target=_watch, args=(asking.stopped,), daemon=True).start()
    while not asking.stopped.is_set():
        with suppress(queue.Empty):
            print(asking.lines.get(timeout=0.1), flush=True)


def _watch(stopped: threading.Event) -> None:
    sys.stdin.read()
    stopped.set()


if __name__ == "__main__":
    main(sys.argv[1:])
