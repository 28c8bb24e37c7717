"""Tensors of the protocol: what a request says of one, and its values out of JSON or out of raw bytes.

Sources: the Open Inference Protocol, version 2 (JSON), and Triton's binary tensor data extension. A field without a
shape travels as (batch, 1), as Triton's configuration of the model says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import InvalidInput
from ....signature.fields import Field

__all__ = ["check_keys", "read_json", "read_raw", "tensor_shape", "wire_shape"]

_KINDS: dict[str, tuple[frozenset[type], str]] = {
    "INT64": (frozenset({int}), "whole numbers"),
    "UINT8": (frozenset({int}), "whole numbers"),
    "FP32": (frozenset({int, float}), "numbers"),
    "BYTES": (frozenset({str}), "texts"),
}
"""Element type -> types that Python's JSON reader may give for it, and what a person calls them."""

_LENGTH_BYTES = 4
"""In front of each raw text stands its length, a little-endian UINT32."""


def wire_shape(field: Field) -> tuple[int, ...]:
    """Shape of one picture's value as it travels, -1 for what is free."""
    return field.shape or (1,)


def check_keys(given: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    """Refuse a key that would be ignored.

    Raises:
        InvalidInput: `given` has a key that is not among the known ones.
    """
    for key in given:
        if key not in known:
            raise InvalidInput(f"{what} was given {key!r}; allowed are {', '.join(known) or 'none'}")


def tensor_shape(field: Field, tensor: Mapping[str, Any], most_rows: int) -> tuple[int, ...]:
    """The shape that a request gives for an input, checked against its field, with the batch in front.

    Args:
        field: of the model's signature.
        tensor: the input's object in the request.
        most_rows: largest batch that the model takes.

    Raises:
        InvalidInput: the type of the elements or the shape is another than the field's.
    """
    if (given := tensor.get("datatype")) != field.dtype:
        raise _refused(field, f"datatype {_shown(given)}", field.dtype)
    shape, allowed = tensor.get("shape"), wire_shape(field)
    fits = (
        isinstance(shape, list)
        and len(shape) == 1 + len(allowed)
        and all(type(extent) is int and extent >= 1 for extent in shape)
        and all(want in (-1, have) for want, have in zip(allowed, shape[1:], strict=True))
    )
    if not isinstance(shape, list) or not fits or shape[0] > most_rows:
        extents = ", ".join("any" if extent == -1 else str(extent) for extent in allowed)
        raise _refused(
            field, f"shape {_shown(shape)}", f"[batch, {extents}] with a batch of 1 to {most_rows}"
        )
    return tuple(shape)


def read_json(field: Field, data: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """The values of an input from the list `data` of a request, flat or nested as its shape is.

    Args:
        field: of the model's signature.
        data: what the JSON reader gave.
        shape: as `tensor_shape` returns it.

    Returns:
        An array of the field's dtype and of `shape`; ranges are not checked.

    Raises:
        InvalidInput: there are more or fewer values, or one has another type.
    """
    values = _flat(field, data, shape)
    types, called = _KINDS[field.dtype]
    if strange := set(map(type, values)) - types:
        raise _refused(field, f"data with a value of type {_json_name(strange)}", called)
    if field.dtype == "BYTES":
        texts = np.empty(len(values), dtype=object)
        texts[:] = values
        return texts.reshape(shape)
    try:
        with np.errstate(over="ignore"):  # a number beyond FP32 becomes infinite, and the field refuses it
            array = np.array(values, np.float64 if field.dtype == "FP32" else np.int64)
            if field.dtype == "UINT8" and (array.min() < 0 or array.max() > 255):
                raise OverflowError
            return array.astype(field.numpy_dtype).reshape(shape)
    except OverflowError:
        raise _refused(field, f"a number that {field.dtype} cannot hold", field.allowed) from None


def read_raw(field: Field, content: memoryview, shape: tuple[int, ...]) -> NDArray[Any]:
    """The values of an input from raw bytes: little-endian numbers in row-major order, or texts with their lengths.

    Args:
        field: of the model's signature.
        content: all bytes of this tensor, and no others.
        shape: as `tensor_shape` returns it.

    Returns:
        An array of the field's dtype and of `shape`, which may share memory with `content`; ranges are not checked.

    Raises:
        InvalidInput: the bytes are not as many as the shape needs.
    """
    count = math.prod(shape)
    if field.dtype == "BYTES":
        return _raw_texts(field, content, count).reshape(shape)
    needed = count * field.numpy_dtype.itemsize
    if len(content) != needed:
        raise _refused(field, f"{len(content)} bytes for shape {_shown(list(shape))}", f"{needed} bytes")
    return np.frombuffer(content, field.numpy_dtype).reshape(shape)


def _raw_texts(field: Field, content: memoryview, count: int) -> NDArray[Any]:
    texts, start = np.empty(count, dtype=object), 0
    for index in range(count):
        first = start + _LENGTH_BYTES
        end = first + int.from_bytes(content[start:first], "little")
        if end > len(content):
            break
        texts[index], start = bytes(content[first:end]), end
    else:
        if start == len(content):
            return texts
    raise _refused(
        field, f"{len(content)} bytes that are not {count} texts", "each text behind its length, a UINT32"
    )


def _flat(field: Field, data: Any, shape: tuple[int, ...]) -> list[Any]:
    count = math.prod(shape)
    if not isinstance(data, list):
        raise _refused(field, "no list as data", f"{count} values")
    if not data or not isinstance(data[0], list):
        level, fits = data, len(data) == count
    else:
        level, fits = data, len(data) == shape[0]
        for extent in shape[1:]:
            fits = fits and all(isinstance(part, list) and len(part) == extent for part in level)
            if not fits:
                break
            level = list(chain.from_iterable(level))
    if not fits:
        raise _refused(
            field, "data of another shape than it says", f"{count} values, or nested as {_shown(list(shape))}"
        )
    return level


def _json_name(types: set[type]) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return ", ".join(sorted(names.get(one, "null") for one in types))


def _shown(given: Any) -> str:
    """What was given, short enough for a message; longer texts and lists are not repeated."""
    text = "nothing" if given is None else repr(given)
    return text if len(text) <= 80 else f"a long {type(given).__name__}"


def _refused(field: Field, given: str, allowed: str) -> InvalidInput:
    return InvalidInput(f"input {field.name!r} was given {given}; allowed is {allowed}")
