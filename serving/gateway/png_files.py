"""PNG files, written quickly: of a small picture Pillow's encoder takes longer than all else that the gateway does.

One filter serves all rows, `Up`, which keeps a byte's difference to the one above it; ISA-L compresses what is left,
in a third to an eighth of the time that zlib takes with runs alone (`Z_RLE`), the fastest of its strategies. Source:
PNG specification, third edition (W3C 2025), 5, 9 and 11.2.
"""

from __future__ import annotations

import struct

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

__all__ = ["encode_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels -> grey, grey with alpha, RGB, RGBA."""
_BIT_DEPTH = 8
_UP = 2
_LEVEL = 1  # of 0 to 3: level 0 makes larger files and is hardly faster, 2 and 3 gain nothing on pictures


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """A picture as a PNG file, which loses nothing.

    Args:
        image: UINT8 of shape (height, width, channels), 1 to 4 channels.
    """
    height, width, channels = image.shape
    flat = image.reshape(height, width * channels)
    rows = np.empty((height, 1 + flat.shape[1]), np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = flat[0]  # above the first row is a row of zeros
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    packed = isal_zlib.compress(rows.data, _LEVEL)
    head = struct.pack(">IIBBBBB", width, height, _BIT_DEPTH, _COLOUR_TYPES[channels], 0, 0, 0)
    return b"".join((_SIGNATURE, _chunk(b"IHDR", head), _chunk(b"IDAT", packed), _chunk(b"IEND", b"")))


def _chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", isal_zlib.crc32(body))
