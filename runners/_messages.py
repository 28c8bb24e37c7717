"""Messages between this process and the one that opens graphs: JSON and plain arrays, so that nobody reads a pickle.

A message is the length of its header (8 bytes, little endian), the header in JSON, and the content of its arrays one
after the other in C order. The header lists the arrays with dtype and shape; texts travel as UTF-8 with their lengths.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import errors
from ..errors import LithoError, out_of_memory

__all__ = ["GRAPH", "Message", "decode_error", "encode", "encode_error", "read"]

Message = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""The facts of a message, and its arrays by name."""

GRAPH = "#graph"
"""Name of the array that holds an ONNX file; no field has such a name."""

_LENGTH = struct.Struct("<Q")
_MOST_HEADER_BYTES = 1 << 28
_KINDS = "biuf"
"""Kinds of NumPy dtypes that travel as they are."""

_TEXT = "text"


def encode(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] | None = None) -> Iterator[Any]:
    """The parts of a message, each of them bytes or a buffer, to be written one after the other.

    Args:
        facts: what JSON can hold.
        arrays: name -> array of numbers, or of texts with dtype object.
    """
    listed: list[dict[str, Any]] = []
    contents: list[Any] = []
    for name, array in (arrays or {}).items():
        entry: dict[str, Any] = {"name": name, "shape": array.shape}
        if array.dtype == object:
            # A lone surrogate is no UTF-8; the runtime is to refuse it, not this message.
            texts = [str(text).encode(errors="surrogatepass") for text in array.flat]
            entry |= {"dtype": _TEXT, "lengths": [len(text) for text in texts]}
            contents.append(b"".join(texts))
        else:
            entry["dtype"] = array.dtype.str
            contents.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        listed.append(entry)
    header = json.dumps({"facts": facts, "arrays": listed}).encode()
    yield _LENGTH.pack(len(header)) + header
    yield from contents


def read(exactly: Callable[[int], bytearray]) -> Message:
    """Read a message.

    Args:
        exactly: reads this many bytes, and raises EOFError where there are fewer.

    Raises:
        EOFError: the other side has ended.
        ValueError: what was read is not a message.
    """
    (length,) = _LENGTH.unpack(exactly(_LENGTH.size))
    if length > _MOST_HEADER_BYTES:
        raise ValueError(f"a header of {length} bytes")
    try:
        header = json.loads(exactly(length))
        return header["facts"], {entry["name"]: _array(entry, exactly) for entry in header["arrays"]}
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"a header of another form: {type(error).__name__}") from None


def _array(entry: Mapping[str, Any], exactly: Callable[[int], bytearray]) -> NDArray[Any]:
    shape = tuple(map(int, entry["shape"]))
    if entry["dtype"] == _TEXT:
        texts = [exactly(length).decode(errors="surrogatepass") for length in entry["lengths"]]
        made = np.empty(len(texts), object)
        made[:] = texts
        return made.reshape(shape)
    dtype = np.dtype(entry["dtype"])
    if dtype.kind not in _KINDS or min(shape, default=0) < 0:
        raise ValueError(f"an array of {dtype} and shape {shape}")
    return np.frombuffer(exactly(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)


def encode_error(error: BaseException) -> dict[str, Any]:
    """An error as facts: its class, its line, and whether memory ran out."""
    known = type(error) if isinstance(error, LithoError) else None
    while known is not None and getattr(errors, known.__name__, None) is not known:
        known = known.__base__  # of a plug-in's own error, the class of litho that it derives from
    return {
        "class": known.__name__ if known is not None else "",
        "line": _line(error),
        "attributes": {name: value for name, value in vars(error).items() if _plain(value)},
        "memory": out_of_memory(error),
    }


def decode_error(facts: Mapping[str, Any], whose: str) -> Exception:
    """The error that `encode_error` made facts of.

    Args:
        facts: of the error.
        whose: what failed, for the line of an error that is none of litho's.
    """
    known = getattr(errors, facts["class"], None) if facts["class"] else None
    if not (isinstance(known, type) and issubclass(known, LithoError)):
        if facts["memory"]:
            return MemoryError(facts["line"])
        return LithoError(f"{whose} failed: {facts['line']}")
    error = known.__new__(known)
    Exception.__init__(error, facts["line"])
    vars(error).update(facts["attributes"])
    if facts["memory"]:
        # What `out_of_memory` looks for is further down the chain, which stays in the other process.
        error.__cause__ = MemoryError(facts["line"])
    return error


def _line(error: BaseException) -> str:
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return said if isinstance(error, LithoError) else f"{type(error).__name__}: {said}".rstrip(": ")


def _plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_plain, value))
    return value is None or isinstance(value, str | int | float | bool)
