"""Reads the few fields of protobuf messages that answers are judged by."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Answer", "fields", "read_answer"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of each field: an integer, or the bytes of a text or message.

    Raises:
        ValueError: it is no message.
    """
    position, size = 0, len(content)
    while position < size:
        key, position = _varint(content, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            length, position = _varint(content, position)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if position + length > size:
            raise ValueError("a field is longer than its message")
        yield key >> 3, content[position : position + length]
        position += length


class Answer:
    """A `ModelInferResponse`.

    Attributes:
        outputs: name -> dtype, shape and content.
    """

    def __init__(self) -> None:
        self.outputs: dict[str, tuple[str, tuple[int, ...], bytes]] = {}


def read_answer(content: bytes) -> Answer:
    """Read a `ModelInferResponse`.

    Raises:
        ValueError: it is none.
    """
    answer, described, raw = Answer(), [], []
    for number, value in fields(content):
        if number == 5 and isinstance(value, bytes):
            described.append(_described(value))
        elif number == 6 and isinstance(value, bytes):
            raw.append(value)
    for (name, dtype, shape), values in zip(described, raw, strict=False):
        answer.outputs[name] = (dtype, shape, values)
    return answer


def _described(content: bytes) -> tuple[str, str, tuple[int, ...]]:
    name = dtype = ""
    shape: tuple[int, ...] = ()
    for number, value in fields(content):
        if number == 3:
            shape += _packed(value) if isinstance(value, bytes) else (value,)
        elif isinstance(value, bytes):
            name = value.decode(errors="replace") if number == 1 else name
            dtype = value.decode(errors="replace") if number == 2 else dtype
    return name, dtype, shape


def _packed(content: bytes) -> tuple[int, ...]:
    found: list[int] = []
    position = 0
    while position < len(content):
        value, position = _varint(content, position)
        found.append(value)
    return tuple(found)


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(content):
            raise ValueError("a number is cut off")
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position
