"""Options of a graph's runtime, read from the metadata of its ONNX file without `onnx` and without parsing the graph.

`litho export` writes them and the runners obey them, wherever the file goes:

    litho.element                "FLOAT8E4M3FN" of a graph with 8-bit floats
    litho.optimization           how far ONNX Runtime may optimise: "extended", "basic" or "disabled"; absent for all
    litho.inference_precision    what OpenVINO computes FP32 layers in: "bf16"; absent for FP32
"""

from __future__ import annotations

from collections.abc import Iterator

from ..bundle.external_graph import with_content
from ..errors import BundleError

__all__ = [
    "ELEMENT",
    "INFERENCE_PRECISION",
    "OPTIMIZATION",
    "graph_option",
    "graph_options",
    "with_graph_option",
]

ELEMENT, OPTIMIZATION = "litho.element", "litho.optimization"
INFERENCE_PRECISION = "litho.inference_precision"

# onnx.proto: ModelProto.metadata_props; StringStringEntryProto.key and .value.
_METADATA, _KEY, _VALUE = 14, 1, 2
_VARINT, _EIGHT_BYTES, _WITH_LENGTH, _FOUR_BYTES = 0, 1, 2, 5
"""Wire types of protobuf; groups, which no ONNX file has, are missing."""

_MOST_FIELDS = 1 << 16
"""Fields of a message that are looked at: an ONNX file has a few dozen, and a crafted one must not take minutes."""

_MOST_VARINT_BYTES = 10


def graph_option(model: bytes, key: str, allowed: tuple[str, ...] = ()) -> str | None:
    """One entry of the metadata of an ONNX file.

    Args:
        model: content of the file; anything that is no ONNX file has no metadata, and its runtime refuses it.
        key: of the entry.
        allowed: values that the entry may have; empty for any text.

    Returns:
        The value of the last entry with this key, which is the one that ONNX Runtime takes; None if there is none.

    Raises:
        BundleError: the value is not among `allowed`.
    """
    found: bytes | None = None
    for number, entry in _fields_with_length(memoryview(model)):
        if number == _METADATA:
            texts = {name: text for name, text in _fields_with_length(entry) if name in (_KEY, _VALUE)}
            if bytes(texts.get(_KEY, b"")) == key.encode():
                found = bytes(texts.get(_VALUE, b""))
    if found is None:
        return None
    value = found.decode(errors="replace")
    if allowed and value not in allowed:
        raise BundleError(
            f"the graph's metadata has {key}={value[:40]!r} (known: {', '.join(allowed)});"
            " export the bundle again, or upgrade with: pip install --upgrade litho"
        )
    return value


def graph_options(model: bytes) -> dict[str, str]:
    """The options of a graph's runtime, as `Variant.options` has them: name without "litho." -> value."""
    found = {key: graph_option(model, key) for key in (OPTIMIZATION, INFERENCE_PRECISION)}
    return {key.removeprefix("litho."): value for key, value in found.items() if value is not None}


def with_graph_option(model: bytes, key: str, value: str) -> bytes:
    """The content of an ONNX file with one more entry in its metadata."""
    entry = b"".join(_with_length(number, text.encode()) for number, text in ((_KEY, key), (_VALUE, value)))
    # Two messages of protobuf, one after the other, are one with the fields of both.
    return with_content(model, model + _with_length(_METADATA, entry))


def _with_length(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | _WITH_LENGTH) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _fields_with_length(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field with a length, up to the first that cannot be read."""
    position = 0
    for _ in range(_MOST_FIELDS):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _WITH_LENGTH:
            size, position = _varint(message, position)
            if position + size > len(message):
                return
            yield number, message[position : position + size]
            position += size
        elif wire_type == _VARINT:
            _, position = _varint(message, position)
        elif wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
            position += 8 if wire_type == _EIGHT_BYTES else 4
        else:
            return
        if position >= len(message):
            return


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """A number in groups of seven bits, and the position behind it; behind the message if the number is cut short."""
    value = 0
    for index, byte in enumerate(message[position : position + _MOST_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    return 0, len(message) + 1
