"""A request of the protocol, from its bytes to checked inputs: nothing that a model would refuse gets any further."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ....errors import InvalidInput
from ....signature import Signature
from ....signature.fields import Field
from .tensors import check_keys, read_json, read_raw, tensor_shape

__all__ = [
    "MOST_ID_LENGTH",
    "MOST_JSON_BYTES",
    "InferRequest",
    "RequestReader",
    "read_length",
]

MOST_JSON_BYTES = 2**20
"""Longest JSON of a request: reading it keeps all other requests waiting, about 10 ms at this length."""

MOST_ID_LENGTH = 128

_KEYS = ("id", "parameters", "inputs", "outputs")
_PARAMETERS = ("binary_data_output", "priority", "receipts", "timeout")
_INPUT_KEYS = ("name", "shape", "datatype", "parameters", "data")
_OUTPUT_KEYS = ("name", "parameters")
_MOST_MICROSECONDS = 10**12
_MOST_KNOWN, _MOST_KNOWN_BYTES = 256, 1024


@dataclass(frozen=True)
class InferRequest:
    """A request whose inputs were checked.

    Args:
        identifier: the client's own, which the answer repeats; None where there is none.
        inputs: field name -> array, as `Signature.check` returns them.
        priority, queue_seconds: as `litho.serving.clients.Options` has them.
        binary: whether the answer's pictures are raw bytes behind the JSON, and not in it.
        receipts: whether the answer has a receipt of each picture.
    """

    identifier: str | None
    inputs: dict[str, NDArray[Any]]
    priority: int = 0
    queue_seconds: float | None = None
    binary: bool = False
    receipts: bool = False


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_JSON = json.JSONDecoder(parse_constant=_no_constant)
"""Takes no NaN and no Infinity, which are not JSON. Making it anew takes longer than reading a request."""


def read_length(header: bytes | None, body_bytes: int) -> int | None:
    """Bytes of the JSON in a body, from the header Inference-Header-Content-Length; None where all of it is JSON.

    Raises:
        InvalidInput: the header is not a number from 1 to the length of the body.
    """
    if header is None:
        return None
    # Longer digits cannot be a length, and reading them would take long.
    length = int(header) if header.isdigit() and len(header) <= 12 else 0
    if not 1 <= length <= body_bytes:
        given = header[:40].decode("latin-1")
        raise InvalidInput(
            f"header Inference-Header-Content-Length was given {given!r}; allowed is 1 to {body_bytes}, the"
            " length of the JSON in front of the raw tensors"
        )
    return length


class RequestReader:
    """Reads and checks the requests for one model.

    Clients send the same JSON before raw tensors again and again: what a short one says is remembered.

    Args:
        signature: of the model.
        most_rows: largest batch that the model takes.
    """

    def __init__(self, signature: Signature, most_rows: int) -> None:
        self._signature, self._most_rows = signature, most_rows
        self._known = lru_cache(_MOST_KNOWN)(self._head)

    def read(self, body: bytes, json_bytes: int | None) -> InferRequest:
        """Read and check a request.

        Args:
            body: of the HTTP request.
            json_bytes: as `read_length` returns it.

        Raises:
            InvalidInput: anything in it is not what the model and this gateway take; the message names it.
        """
        if json_bytes is None:
            head, raw = self._head(body), memoryview(b"")
        else:
            text, raw = body[:json_bytes], memoryview(body)[json_bytes:]
            head = self._known(text) if json_bytes <= _MOST_KNOWN_BYTES else self._head(text)
        inputs: dict[str, NDArray[Any]] = {}
        for field, shape, size, data in head.tensors:
            if size is None:
                array = read_json(field, data, shape)
            else:
                array, raw = read_raw(field, _first(raw, size, field), shape), raw[size:]
            inputs[field.name] = array if field.shape else array.reshape(-1)
        if len(raw):
            raise InvalidInput(
                f"the request was given {len(raw)} bytes that belong to no input; leave them out"
            )
        return InferRequest(head.identifier, self._signature.check(inputs), *head.options)

    def _head(self, text: bytes) -> _Head:
        document = _document(text)
        check_keys(document, _KEYS, "the request")
        parameters = _object(document, "parameters", "the request")
        check_keys(parameters, _PARAMETERS, "'parameters' of the request")
        tensors = tuple(_tensors(document, self._signature, self._most_rows))
        options = (
            _number(parameters, "priority", 2**31 - 1),
            _number(parameters, "timeout", _MOST_MICROSECONDS) / 1e6 or None,
            _binary(document, self._signature, _flag(parameters, "binary_data_output")),
            _flag(parameters, "receipts"),
        )
        return _Head(_identifier(document), tensors, options)


class _Head(NamedTuple):
    """What the JSON of a request says.

    Args:
        identifier: see `InferRequest`.
        tensors: field, shape with the batch in front, bytes behind the JSON or None, and otherwise the values.
        options: the others of `InferRequest`, in its order.
    """

    identifier: str | None
    tensors: tuple[tuple[Field, tuple[int, ...], int | None, Any], ...]
    options: tuple[int, float | None, bool, bool]


def _first(raw: memoryview, size: int, field: Field) -> memoryview:
    if size > len(raw):
        raise InvalidInput(
            f"input {field.name!r} was given binary_data_size {size}; the body has {len(raw)} bytes left for it"
        )
    return raw[:size]


def _document(content: bytes) -> dict[str, Any]:
    if len(content) > MOST_JSON_BYTES:
        raise InvalidInput(
            f"the request was given JSON of {len(content)} bytes; allowed are {MOST_JSON_BYTES}: send tensors as raw"
            " bytes behind it"
        )
    try:
        document = _JSON.decode(str(content, "utf-8"))
    except UnicodeDecodeError:
        raise InvalidInput("the request is not UTF-8; expected a JSON object") from None
    except (ValueError, RecursionError):  # also a whole number of thousands of digits
        raise InvalidInput(
            "the request is not JSON that can be read; expected an object with 'inputs'"
        ) from None
    if not isinstance(document, dict):
        raise InvalidInput("the request is no JSON object; expected an object with 'inputs'")
    return document


def _tensors(
    document: Mapping[str, Any], signature: Signature, most_rows: int
) -> Iterator[tuple[Field, tuple[int, ...], int | None, Any]]:
    """What the JSON says of each input, see `_Head`."""
    fields = {field.name: field for field in signature.inputs}
    tensors = document.get("inputs")
    if not isinstance(tensors, list) or not tensors or not all(isinstance(one, dict) for one in tensors):
        raise InvalidInput(
            f"the request was given no list of objects as 'inputs'; expected {', '.join(fields)}"
        )
    if len(tensors) > len(fields):
        raise InvalidInput(
            f"the request was given {len(tensors)} inputs; allowed are {len(fields)}: {', '.join(fields)}"
        )
    read: set[str] = set()
    for tensor in tensors:
        field = fields.get(name) if isinstance(name := tensor.get("name"), str) else None
        if field is None:
            shown = repr(name)[:80]
            raise InvalidInput(f"the request was given an input {shown}; the model takes {', '.join(fields)}")
        if field.name in read:
            raise InvalidInput(f"input {field.name!r} was given twice; give it once")
        read.add(field.name)
        shape = tensor_shape(field, tensor, most_rows)
        yield field, shape, _raw_bytes(field, tensor), tensor.get("data")


def _raw_bytes(field: Field, tensor: Mapping[str, Any]) -> int | None:
    """How many bytes of an input stand behind the JSON; None where its values are in it."""
    check_keys(tensor, _INPUT_KEYS, f"input {field.name!r}")
    parameters = _object(tensor, "parameters", f"input {field.name!r}")
    check_keys(parameters, ("binary_data_size",), f"'parameters' of input {field.name!r}")
    if "binary_data_size" not in parameters:
        return None
    if "data" in tensor:
        raise InvalidInput(f"input {field.name!r} was given 'data' and 'binary_data_size'; give one of them")
    return _number(parameters, "binary_data_size", 2**31 - 1)


def _binary(document: Mapping[str, Any], signature: Signature, by_default: bool) -> bool:
    outputs = document.get("outputs")
    if outputs is None or outputs == []:
        return by_default
    name = signature.output.name
    if not isinstance(outputs, list) or len(outputs) != 1 or not isinstance(outputs[0], dict):
        raise InvalidInput(
            f"'outputs' was given another thing than a list of one object; the model has {name!r}"
        )
    (output,) = outputs
    check_keys(output, _OUTPUT_KEYS, "the output")
    if output.get("name") != name:
        shown = repr(output.get("name"))[:80]
        raise InvalidInput(f"'outputs' was given {shown}; the model has {name!r}")
    parameters = _object(output, "parameters", f"output {name!r}")
    check_keys(parameters, ("binary_data",), f"'parameters' of output {name!r}")
    return _flag(parameters, "binary_data", by_default)


def _identifier(document: Mapping[str, Any]) -> str | None:
    given = document.get("id")
    if given is not None and (not isinstance(given, str) or len(given) > MOST_ID_LENGTH):
        raise InvalidInput(f"'id' is a text of at most {MOST_ID_LENGTH} characters; another thing was given")
    return given


def _object(holder: Mapping[str, Any], key: str, what: str) -> dict[str, Any]:
    given = holder.get(key, {})
    if not isinstance(given, dict):
        raise InvalidInput(f"{key!r} of {what} is an object; another thing was given")
    return given


def _number(parameters: Mapping[str, Any], key: str, most: int) -> int:
    given = parameters.get(key, 0)
    if type(given) is not int or not 0 <= given <= most:
        raise InvalidInput(f"parameter {key!r} was given another thing than a whole number from 0 to {most}")
    return given


def _flag(parameters: Mapping[str, Any], key: str, by_default: bool = False) -> bool:
    given = parameters.get(key, by_default)
    if not isinstance(given, bool):
        raise InvalidInput(f"parameter {key!r} was given another thing than true or false")
    return given
