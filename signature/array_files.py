"""Arrays in files: `.npy` and `.safetensors`, which cannot hold code; knows no field.

A file is read only if its header agrees with its size, so that a few bytes cannot claim a large array.
"""

from __future__ import annotations

import io
import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

__all__ = ["ARRAY_SUFFIXES", "MOST_ARRAY_BYTES", "names_arrays", "read_arrays"]

ARRAY_SUFFIXES = (".npy", ".safetensors")

MOST_ARRAY_BYTES = 1 << 30
"""Largest file that is read."""

_MOST_HEADER_CHARACTERS = 10_000
_WIDER = {"f2": "<f4", "f8": "<f4", "i1": "<i8", "i2": "<i8", "i4": "<i8", "u2": "<i8", "u4": "<i8"}
"""Kind and bytes of an element type that no field has -> the type of a field that it is converted to."""


def names_arrays(text: str) -> bool:
    """Whether a text is the name of a file of arrays, by its ending."""
    return text.lower().endswith(ARRAY_SUFFIXES)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file; the one of a `.npy` file has the name "".

    FP64 and FP16 become FP32, and other integers but UINT8 become INT64; elements of the returned arrays are FP32,
    INT64, UINT8 or BOOL.

    Args:
        path: of a `.npy` or `.safetensors` file.

    Raises:
        DataError: the file is missing, is not an ordinary file, is damaged or too large, or has elements of another
            type, such as Python objects.
    """
    if not names_arrays(path.name):
        raise DataError(f"{path} is no file of arrays; allowed are files ending in .npy or .safetensors")
    content = _content(path)
    try:
        arrays = {"": _from_npy(content)} if path.suffix.lower() == ".npy" else _from_safetensors(content)
    except DataError:
        raise
    except Exception as error:  # both readers raise many kinds for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(
            f"{path} is no {path.suffix} file, or is damaged ({reason}); write it again"
        ) from None
    return {name: _converted(array, path, name) for name, array in arrays.items()}


def _content(path: Path) -> bytes:
    try:
        # Opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path} is not an ordinary file; give a .npy or .safetensors file")
        if status.st_size > MOST_ARRAY_BYTES:
            raise DataError(
                f"{path} has {status.st_size} bytes; a file of arrays has at most {MOST_ARRAY_BYTES}: split it"
            )
        return file.read(MOST_ARRAY_BYTES)


def _from_npy(content: bytes) -> NDArray[Any]:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"version {version[0]}.{version[1]} of the format is not read")
    shape, by_columns, dtype = read[version](file, max_header_size=_MOST_HEADER_CHARACTERS)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which could run code")
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != len(content) - file.tell():
        raise ValueError(f"its header claims {claimed} bytes, it has {len(content) - file.tell()}")
    flat = np.frombuffer(content, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if by_columns else "C")


def _from_safetensors(content: bytes) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load

    return load(content)


def _converted(array: NDArray[Any], path: Path, name: str) -> NDArray[Any]:
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    wanted = _WIDER.get(kind, array.dtype.newbyteorder("<"))
    if np.dtype(wanted).str not in ("<f4", "<i8", "|u1", "|b1"):
        named = f"array {name!r} of " if name else ""
        raise DataError(
            f"{named}{path} has elements of type {array.dtype}; allowed are floats, whole numbers and truth values"
        )
    with np.errstate(over="ignore"):  # an FP64 beyond FP32 becomes infinite, which fields refuse
        return np.ascontiguousarray(array, dtype=np.dtype(wanted).newbyteorder("="))
