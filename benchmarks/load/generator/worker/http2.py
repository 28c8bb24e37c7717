"""As much of HTTP/2 and of its header compression as a client of gRPC needs (RFC 9113, RFC 7541)."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "ACK",
    "CONTINUATION",
    "DATA",
    "END_HEADERS",
    "END_STREAM",
    "GOAWAY",
    "HEADERS",
    "LARGEST_WINDOW",
    "PING",
    "PREFACE",
    "RST_STREAM",
    "SETTINGS",
    "WINDOW_UPDATE",
    "Headers",
    "frame",
    "read_headers",
    "settings",
]

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_WINDOW = 2**31 - 1

_METHOD_POST, _SCHEME = b"\x83", {"http": b"\x86", "https": b"\x87"}
_STATIC = {":authority": 1, ":path": 4, "content-type": 31, "user-agent": 58, "authorization": 23}
_DYNAMIC = 62
"""Index of the header that was stored last."""

_STATUS = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}
# Bytes by the length of their Huffman codes (RFC 7541, appendix B), which are canonical; of those with longer codes
# only the backslash is printable.
_BY_LENGTH = {
    5: "012aceiost",
    6: " %-./3456789=A_bdfghlmnpru",
    7: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: "&*,;XZ",
    10: '!"()?',
    11: "'+|",
    12: "#>",
    13: "\0$@[]~",
    14: "^}",
    15: "<`{",
}


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """One frame."""
    return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


def settings(values: dict[int, int]) -> bytes:
    """A frame of settings: identifier -> value."""
    content = b"".join(name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in values.items())
    return frame(SETTINGS, 0, 0, content)


class Headers:
    """The headers of a call that is made again and again, which a server keeps after the first one.

    Args:
        scheme: "http" or "https".
        pairs: the others, names in lower case.
    """

    def __init__(self, scheme: str, pairs: list[tuple[str, str]]) -> None:
        start = _METHOD_POST + _SCHEME[scheme]
        self.first = start + b"".join(_literal(0x40, 6, *pair) for pair in pairs)
        self.again = start + bytes(0x80 | (_DYNAMIC + position) for position in reversed(range(len(pairs))))
        # 0x20 says that the server may forget what it has kept.
        self.plain = b"\x20" + start + b"".join(_literal(0, 4, *pair) for pair in pairs)


def _literal(kind: int, bits: int, name: str, value: str) -> bytes:
    index = _STATIC.get(name)
    head = bytes((kind,)) + _text(name) if index is None else _integer(index, bits, kind)
    return head + _text(value)


def _text(value: str) -> bytes:
    content = value.encode()
    return _integer(len(content), 7, 0) + content


def _integer(value: int, bits: int, kind: int) -> bytes:
    most = (1 << bits) - 1
    if value < most:
        return bytes((kind | value,))
    value -= most
    rest = bytearray()
    while value >= 128:
        rest.append(value & 127 | 128)
        value >>= 7
    return bytes((kind | most, *rest, value))


def read_headers(block: bytes) -> dict[str, str]:
    """Name -> value of a block of headers from a server that was asked to keep none.

    Of the static table only statuses are known; a header that refers to anything else there is left out.
    """
    found: dict[str, str] = {}
    position = 0
    while position < len(block):
        first = block[position]
        if first & 0x80:
            index, position = _read_integer(block, position, 7)
            if index in _STATUS:
                found[":status"] = _STATUS[index]
        elif first & 0xE0 == 0x20:
            _, position = _read_integer(block, position, 5)
        else:
            index, position = _read_integer(block, position, 6 if first & 0x40 else 4)
            name = ":status" if index in _STATUS else ""
            if not index:
                name, position = _read_text(block, position)
            value, position = _read_text(block, position)
            if name:
                found[name] = value
    return found


def _read_integer(block: bytes, position: int, bits: int) -> tuple[int, int]:
    most = (1 << bits) - 1
    value = block[position] & most
    position += 1
    if value < most:
        return value, position
    shift = 0
    while True:
        byte = block[position]
        position += 1
        value += (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position


def _read_text(block: bytes, position: int) -> tuple[str, int]:
    packed = block[position] & 0x80
    length, position = _read_integer(block, position, 7)
    content = block[position : position + length]
    return (_unpack(content) if packed else content).decode(errors="replace"), position + length


def _unpack(content: bytes) -> bytes:
    codes = _codes()
    found, code, length = bytearray(), 0, 0
    for bit in _bits(content):
        code, length = code << 1 | bit, length + 1
        symbol = codes.get((length, code))
        if symbol is not None:
            found.append(symbol)
            code = length = 0
    return bytes(found)


def _bits(content: bytes) -> Iterable[int]:
    return (byte >> shift & 1 for byte in content for shift in range(7, -1, -1))


def _codes() -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    code = last = 0
    for length, symbols in _BY_LENGTH.items():
        code <<= length - last
        last = length
        for symbol in symbols:
            found[length, code] = ord(symbol)
            code += 1
    return found
