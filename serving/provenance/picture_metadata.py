"""Receipts inside of picture files, without encoding the pixels anew.

    PNG     a chunk iTXt with keyword `litho-receipt` (PNG specification, third edition, 11.3.3.4): the JSON
    JPEG    a segment APP1 with XMP (ISO 16684-1; XMP specification part 3, 1.1.3), property `litho:receipt`
    WebP    a chunk "XMP " (WebP container specification), with the same XMP

Files are read with care: nobody vouches for them, and no length in them is believed.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from html import unescape
from io import BytesIO
from typing import Literal
from xml.sax.saxutils import escape

from PIL import Image

from ...errors import DataError, UsageError
from ...signature.image_files import MOST_PIXELS
from .receipt import MOST_RECEIPT_BYTES, Receipt, parse_receipt

__all__ = ["PictureFormat", "embed", "picture_format", "read_receipt"]

PictureFormat = Literal["png", "jpeg", "webp"]

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_BYTES = 33  # signature and IHDR, which comes first
_KEYWORD = b"litho-receipt\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_NAMESPACE = "urn:litho:receipt:1:"
_MOST_SEGMENT_BYTES = 65533
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    f' xmlns:litho="{_NAMESPACE}"><litho:receipt>%s</litho:receipt></rdf:Description></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="r"?>'
)
_NAME = "litho:receipt"
_PROPERTY = re.compile(
    r"litho:receipt(?:>(?P<element>[^<]*)</litho:receipt>|=\"(?P<double>[^\"]*)\"|='(?P<single>[^']*)')"
)
_MOST_NAMES = 16
"""Places of a packet that are looked at: each may be searched to its end."""


def picture_format(content: bytes) -> PictureFormat:
    """The format of an encoded picture, by its first bytes.

    Raises:
        DataError: it is none of those that can hold a receipt.
    """
    if content.startswith(_PNG):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    raise DataError("the file is no PNG, JPEG or WebP; receipts are in pictures of these formats")


def embed(encoded: bytes, receipt: Receipt | str, format: PictureFormat | None = None) -> bytes:
    """An encoded picture with a receipt; its pixels stay as they are.

    Args:
        encoded: the file's content, as an encoder made it.
        receipt: of the picture, or its text as `Receipt.to_json` gives it.
        format: of the file; None looks.

    Raises:
        DataError: it is no PNG, JPEG or WebP.
        UsageError: the receipt is too long for JPEG.
    """
    text = receipt if isinstance(receipt, str) else receipt.to_json()
    match format or picture_format(encoded):
        case "png":
            return _into_png(encoded, text.encode())
        case "jpeg":
            return _into_jpeg(encoded, _packet(text))
        case "webp":
            return _into_webp(encoded, _packet(text))


def read_receipt(content: bytes) -> Receipt:
    """The receipt in an encoded picture; whether it has changed is not checked (`Receipt.check`).

    Args:
        content: of a file PNG, JPEG or WebP.

    Raises:
        DataError: it is no such file, is damaged, or holds no receipt.
        SchemaError: what it holds is no receipt, or a newer litho wrote it.
    """
    format = picture_format(content)
    if format == "png":
        found = next(_texts_of_png(content), None)
    else:
        packets = _packets_of_jpeg(content) if format == "jpeg" else _packets_of_webp(content)
        found = next((one for packet in packets if (one := _from_packet(packet)) is not None), None)
    if found is None:
        if _is_damaged(content, format):
            raise DataError("the file is damaged or cut short; get the picture from its maker again")
        raise DataError(
            "the picture holds no receipt: no gateway of litho made it, or a program that saved it dropped its"
            " metadata; give the receipt's JSON with --receipt"
        )
    return parse_receipt(found, "the receipt in the picture")


def _is_damaged(content: bytes, format: PictureFormat) -> bool:
    try:
        with Image.open(BytesIO(content), formats=(format.upper(),)) as image:
            if image.width * image.height <= MOST_PIXELS:
                image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return True
    return False


def _packet(text: str) -> bytes:
    return (_PACKET % escape(text)).encode()


def _from_packet(packet: bytes) -> bytes | None:
    text, at = packet[:MOST_RECEIPT_BYTES].decode(errors="replace"), -1
    for _ in range(_MOST_NAMES):
        if (at := text.find(_NAME, at + 1)) < 0:
            break
        if (found := _PROPERTY.match(text, at)) is not None:
            return unescape(next(value for value in found.groups() if value is not None)).encode()
    return None


def _into_png(encoded: bytes, text: bytes) -> bytes:
    # After the keyword: not compressed, no language, no translated keyword.
    body = b"iTXt" + _KEYWORD + b"\0\0\0\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return encoded[:_PNG_HEADER_BYTES] + chunk + encoded[_PNG_HEADER_BYTES:]


def _texts_of_png(content: bytes) -> Iterator[bytes]:
    at = len(_PNG)
    while at + 12 + (length := int.from_bytes(content[at : at + 4], "big")) <= len(content):
        body = content[at + 8 : at + 8 + min(length, MOST_RECEIPT_BYTES + 256)]
        if content[at + 4 : at + 8] == b"iTXt" and body.startswith(_KEYWORD):
            compressed, rest = (
                body[len(_KEYWORD)] if len(body) > len(_KEYWORD) else 0,
                body[len(_KEYWORD) + 2 :],
            )
            text = rest.split(b"\0", 2)[-1]
            # A tool that writes the file anew may compress texts.
            yield _inflated(text) if compressed else text
        at += 12 + length


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, MOST_RECEIPT_BYTES)
    except zlib.error:
        raise DataError(
            "the receipt in the picture is damaged; get the picture from its maker again"
        ) from None


def _into_jpeg(encoded: bytes, packet: bytes) -> bytes:
    body = _XMP + packet
    if len(body) > _MOST_SEGMENT_BYTES:
        raise UsageError(
            f"the receipt has {len(packet)} bytes, a JPEG holds at most {_MOST_SEGMENT_BYTES - len(_XMP)}; ask for png"
        )
    at = 2  # after SOI; APP0 with JFIF wants to be the first segment
    if encoded[2:4] == b"\xff\xe0":
        at = 4 + int.from_bytes(encoded[4:6], "big")
    return encoded[:at] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + encoded[at:]


def _packets_of_jpeg(content: bytes) -> Iterator[bytes]:
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] not in (0xDA, 0xD9):
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        body = content[at + 4 : at + 2 + length]
        if content[at + 1] == 0xE1 and body.startswith(_XMP):
            yield body[len(_XMP) :]
        at += 2 + length


def _into_webp(encoded: bytes, packet: bytes) -> bytes:
    body = encoded[12:]
    if body[:4] == b"VP8X":
        flags = body[8] | _XMP_FLAG
        body = body[:8] + bytes([flags]) + body[9:]
    else:
        with Image.open(BytesIO(encoded), formats=("WEBP",)) as image:
            (width, height), alpha = image.size, image.mode == "RGBA"
        flags = _XMP_FLAG | (_ALPHA_FLAG if alpha else 0)
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        body = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + sides + body
    body += b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10


def _packets_of_webp(content: bytes) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(content):
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        if content[at : at + 4] == b"XMP ":
            yield content[at + 8 : at + 8 + min(length, MOST_RECEIPT_BYTES)]
        at += 8 + length + length % 2
