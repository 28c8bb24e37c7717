"""Requests and answers of one model as Triton's gRPC protocol has them, for every transport."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2
from tritonclient.utils import serialize_byte_tensor

from ..errors import EndpointError, InvalidInput, UsageError
from ..signature import Signature
from ..signature.fields import Role
from ._refusals import explain
from ._shared_memory import Region

__all__ = [
    "Gathered",
    "Images",
    "MadeBy",
    "Options",
    "StreamedPicture",
    "images_of",
    "infer_request",
    "messages",
    "point_to",
    "safe_inputs",
    "size_of",
    "whole_pictures",
]

messages: Any = service_pb2  # protobuf creates its classes at import time

MOST_REQUEST_BYTES = 2**31 - 1
"""What a message of gRPC can hold."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{0,64}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True)
class Options:
    """How one request is to be treated.

    Args:
        timeout_seconds: longest time until the whole answer, further tries included; None takes the client's.
        answer_seconds: longest time between two answers of a stream, and before the first; None sets no limit but the
            deadline. A killed process of the server does not end its streams.
        priority: lower numbers are served first, from 1; 0 is the default of the model.
        queue_seconds: longest time in the server's queue, or in flight until the last picture; None takes the model's
            limit.
        preview_every: steps between two previews of a picture in a stream, 0 for none.
        request_id: name of the request in the server's log and traces, at most 64 letters, digits, dots, underscores
            or hyphens; empty for none.
        traceparent: trace that the request belongs to, in the form of W3C's Trace Context; a server that traces
            continues it.

    Raises:
        UsageError: a time is not above 0, a number is negative, or a text has another form.
    """

    timeout_seconds: float | None = None
    answer_seconds: float | None = None
    priority: int = 0
    queue_seconds: float | None = None
    preview_every: int = 0
    request_id: str = ""
    traceparent: str | None = None

    def __post_init__(self) -> None:
        _check_seconds("timeout_seconds", self.timeout_seconds)
        _check_seconds("answer_seconds", self.answer_seconds)
        _check_seconds("queue_seconds", self.queue_seconds)
        _check_number("priority", self.priority)
        _check_number("preview_every", self.preview_every)
        # Both travel in the head of a request, where a line break would be another head.
        if _REQUEST_ID.fullmatch(self.request_id) is None:
            raise UsageError("request_id is at most 64 letters, digits, dots, underscores or hyphens")
        if self.traceparent is not None and _TRACEPARENT.fullmatch(self.traceparent) is None:
            raise UsageError(
                "traceparent has another form than 00-TRACE-SPAN-FLAGS, in small hexadecimal digits"
            )


def _check_seconds(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise UsageError(f"{name} was given {value:g}; expected seconds above 0")


def _check_number(name: str, value: int) -> None:
    if not 0 <= value < 2**31:
        raise UsageError(f"{name} was given {value}; expected a whole number from 0")


class MadeBy(NamedTuple):
    """Which version of which model made an answer, as the server says; both are empty if it is not known."""

    model: str = ""
    version: str = ""

    @classmethod
    def of(cls, answer: Any) -> MadeBy:
        """Read Triton's message `ModelInferResponse`."""
        return cls(answer.model_name, answer.model_version)


UNKNOWN = MadeBy()


class Images(dict[str, NDArray[np.uint8]]):
    """The answer to a request: name of the output -> pictures.

    Args:
        images: name -> UINT8 of shape (batch, height, width, channels).
        made_by: the version that answered.
    """

    def __init__(self, images: Mapping[str, NDArray[np.uint8]], made_by: MadeBy) -> None:
        super().__init__(images)
        self.made_by = made_by


@dataclass(frozen=True)
class StreamedPicture:
    """One answer of a stream: a finished picture, or a preview of it.

    Args:
        row: of the request, from 0.
        step: after which it was made, from 1.
        steps: from noise to picture; 1 for a generator without steps.
        image: UINT8 of shape (height, width, channels), 0 to 255.
        made_by: the version that answered.
    """

    row: int
    step: int
    steps: int
    image: NDArray[np.uint8]
    made_by: MadeBy = UNKNOWN

    @property
    def finished(self) -> bool:
        """Whether it is the picture, and not a preview."""
        return self.step >= self.steps


def safe_inputs(signature: Signature, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The inputs with their defaults, refused where they could end the server: an empty batch, another shape or size.

    Values are the server's to check.

    Raises:
        InvalidInput: in the words of `Signature.check`.
    """
    complete = signature.with_defaults(dict[str, Any](inputs))
    first = next(iter(complete.values()), None)
    rows = len(first) if isinstance(first, np.ndarray) and first.ndim else 0
    fits = rows > 0 and len(complete) == len(signature.inputs)
    if not fits or not all(_fits(entry, complete.get(entry.name), rows) for entry in signature.inputs):
        complete = signature.check(inputs)
    size = sum(array.nbytes for array in complete.values())
    if size > MOST_REQUEST_BYTES:
        raise InvalidInput(
            f"a request of {size} bytes is too large; allowed are {MOST_REQUEST_BYTES}: send fewer pictures at a time"
        )
    return complete


def _fits(entry: Any, array: Any, rows: int) -> bool:
    return (
        isinstance(array, np.ndarray)
        and array.dtype == entry.numpy_dtype
        and array.ndim == 1 + len(entry.shape)
        and len(array) == rows
        and (
            array.shape[1:] == entry.shape
            or all(want in (-1, have) for want, have in zip(entry.shape, array.shape[1:], strict=True))
        )
    )


def infer_request(
    model: str, version: str, signature: Signature, inputs: Mapping[str, NDArray[Any]], options: Options
) -> Any:
    """The message that asks for pictures.

    Args:
        model, version: of the server; an empty version is the server's choice.
        signature: of the generator.
        inputs: as `safe_inputs` returns them.
        options: of the request.
    """
    request = messages.ModelInferRequest(model_name=model, model_version=version, id=options.request_id)
    for entry in signature.inputs:
        array = inputs[entry.name]
        # Triton has no scalars: a field without a shape is sent as (batch, 1).
        shape = array.shape if entry.shape else (len(array), 1)
        request.inputs.add(name=entry.name, datatype=entry.dtype, shape=shape)
        request.raw_input_contents.append(_raw(array))
    if options.priority:
        request.parameters["priority"].uint64_param = options.priority
        # Triton does not show its own to a model in flight.
        request.parameters["row_priority"].int64_param = options.priority
    if options.queue_seconds is not None:
        request.parameters["timeout"].int64_param = max(1, round(options.queue_seconds * 1e6))
    if options.preview_every:
        request.parameters["preview_every"].int64_param = options.preview_every
    return request


def point_to(region: Region, request: Any, output: str, shape: tuple[int, ...]) -> int:
    """Move the inputs of a request into shared memory, and let the answer be written behind them.

    Args:
        region: of at least `size_of(request, shape)` bytes.
        request: as `infer_request` makes it.
        output: name of the output.
        shape: of the output, UINT8.

    Returns:
        Where the answer will begin.
    """
    offset = 0
    for tensor, content in zip(request.inputs, request.raw_input_contents, strict=True):
        region.write(offset, content)
        _refer(tensor, region, offset, len(content))
        offset += len(content)
    del request.raw_input_contents[:]
    answer = request.outputs.add(name=output)
    _refer(answer, region, offset, int(np.prod(shape)))
    return offset


def size_of(request: Any, shape: tuple[int, ...]) -> int:
    """Bytes of shared memory that a request and its answer take."""
    return sum(map(len, request.raw_input_contents)) + int(np.prod(shape))


def _refer(tensor: Any, region: Region, offset: int, size: int) -> None:
    tensor.parameters["shared_memory_region"].string_param = region.name
    tensor.parameters["shared_memory_byte_size"].int64_param = size
    if offset:
        tensor.parameters["shared_memory_offset"].int64_param = offset


def images_of(answer: Any) -> NDArray[np.uint8]:
    """The pictures of an answer to a whole request."""
    return np.frombuffer(answer.raw_output_contents[0], np.uint8).reshape(answer.outputs[0].shape)


def whole_pictures(
    signature: Signature,
    inputs: Mapping[str, NDArray[Any]],
    images: NDArray[np.uint8],
    made_by: MadeBy = UNKNOWN,
) -> Iterator[StreamedPicture]:
    """The pictures of a whole answer, as a stream would have them."""
    steps = signature.field(Role.STEPS)
    for row, image in enumerate(images):
        whole = 1 if steps is None else int(inputs[steps.name][row])
        yield StreamedPicture(row, whole, whole, image, made_by)


class Gathered:
    """The rows of a streamed answer, in whatever order they come.

    Args:
        signature: of the generator.
        inputs: of the request, checked.
        url: of the model, for messages.
    """

    def __init__(self, signature: Signature, inputs: Mapping[str, NDArray[Any]], url: str) -> None:
        self._shape = signature.output_shape(dict(inputs))
        self._name, self._url = signature.output.name, url
        steps = signature.field(Role.STEPS)
        self._steps = np.ones(self._shape[0], np.int64) if steps is None else inputs[steps.name]
        self.finished: dict[int, NDArray[np.uint8]] = {}
        self.made_by = UNKNOWN

    def add(self, response: Any) -> Iterator[StreamedPicture]:
        """The pictures of one message of the stream, which has one row, or all of them.

        Raises:
            EndpointError: it is an error, or of another form.
        """
        if response.error_message:
            # Triton ends a stream with a status only for some errors; others it tells in words alone.
            raise explain(grpc.StatusCode.UNKNOWN, response.error_message, self._url, 0)
        answer = response.infer_response
        content = dict(
            zip((output.name for output in answer.outputs), answer.raw_output_contents, strict=False)
        )
        if self._name not in content:
            return  # the message that only ends the stream
        shape = next(tuple(output.shape) for output in answer.outputs if output.name == self._name)
        rows, steps = (
            np.frombuffer(content[name], np.int64) if name in content else None for name in ("row", "step")
        )
        rows = np.arange(shape[0]) if rows is None else rows
        if (
            shape[1:] != self._shape[1:]
            or len(rows) != shape[0]
            or not all(0 <= row < self._shape[0] for row in rows)
        ):
            raise EndpointError(
                f"{self._url} streamed rows {rows.tolist()} of shape {shape} for a request of shape {self._shape}"
            )
        images = np.frombuffer(content[self._name], np.uint8).reshape(shape)
        self.made_by = MadeBy.of(answer)
        for index, row in enumerate(rows.tolist()):
            whole = int(self._steps[row])
            step = whole if steps is None else int(steps[index])
            picture = StreamedPicture(row, step, whole, images[index], self.made_by)
            if picture.finished:
                self.finished[row] = picture.image
            yield picture

    def images(self) -> NDArray[np.uint8]:
        """All pictures, in the order of the request's rows.

        Raises:
            EndpointError: the stream ended before the last of them.
        """
        missing = sorted(set(range(self._shape[0])) - set(self.finished))
        if missing:
            raise EndpointError(
                f"{self._url} ended its stream without {len(missing)} of {self._shape[0]} pictures, the first is"
                f" {missing[0]}"
            )
        return np.stack([self.finished[row] for row in range(self._shape[0])])


def _raw(array: NDArray[Any]) -> bytes:
    if array.dtype != object:
        return array.tobytes()
    serialized = serialize_byte_tensor(array)
    assert serialized is not None, "the signature allows no other dtype"
    return serialized.item()
