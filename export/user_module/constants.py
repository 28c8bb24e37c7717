"""Constants of a signature file: numbers, words and tensors that `forward` gets unchanged at every call.

timestep: 999                                           a number, a truth value, a text, or null
guidance: [[0.5, 1.0]]                                  a tensor
mean: {file: mean.npy}                                  a tensor from a file beside the signature
text: {file: text.safetensors, array: empty, per_picture: true}
timestep: {value: 999, per_picture: true}               a tensor of shape (batch,)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, IntegrityError
from ...files import ordinary_file
from ...signature.array_files import ARRAY_SUFFIXES, names_arrays, read_arrays
from ...signature.noise import MAX_SEED

__all__ = ["Constant", "read_constant"]

MOST_LISTED = 1 << 14
"""Most elements of a tensor that the signature file itself lists."""

_KEYS = ("value", "file", "array", "dtype", "per_picture")
_DTYPES: dict[str, Any] = {"FP32": np.float32, "INT64": np.int64, "UINT8": np.uint8, "BOOL": np.bool_}
_ALLOWED = (
    "a number, true, false, null, a text, a list of numbers, or a mapping with"
    f" value or file, and {', '.join(_KEYS[2:])}"
)


@dataclass(frozen=True, eq=False)
class Constant:
    """One constant.

    Args:
        value: a number, a truth value, a text, None, or a tensor: FP32, INT64, UINT8 or BOOL.
        per_picture: whether the tensor is repeated for every picture: `forward` gets (batch, ...) then.
    """

    value: bool | int | float | str | NDArray[Any] | None
    per_picture: bool = False

    def sha256(self) -> str:
        """Hash of type, shape and content."""
        digest = hashlib.sha256(f"{type(self.value).__name__} {self.per_picture} ".encode())
        if isinstance(self.value, np.ndarray):
            digest.update(f"{self.value.dtype} {self.value.shape}\n".encode())
            digest.update(np.ascontiguousarray(self.value).data)
        else:
            digest.update(repr(self.value).encode())
        return digest.hexdigest()


def read_constant(given: Any, folder: Path) -> Constant:
    """Read one constant.

    Args:
        given: as the file has it; from Python also a NumPy array or a torch tensor.
        folder: of the signature file, which the constant's own file lies in.

    Raises:
        ValueError: it is not allowed; the message is one line without the constant's name.
    """
    if not isinstance(given, Mapping):
        return Constant(_value(given))
    if unknown := [key for key in given if key not in _KEYS]:
        raise ValueError(f"has the unknown key {unknown[0]!r} (known: {', '.join(_KEYS)})")
    if ("value" in given) == ("file" in given):
        raise ValueError("needs either value or file")
    if "array" in given and "file" not in given:
        raise ValueError("names an array but no file")
    value = _of_file(given, folder) if "file" in given else _value(given["value"])
    per_picture = given.get("per_picture", False)
    if not isinstance(per_picture, bool):
        raise ValueError(f"has per_picture {per_picture!r:.60}; allowed are true and false")
    if per_picture or "dtype" in given:
        value = _tensor(value)
    return Constant(_cast(value, given["dtype"]) if "dtype" in given else value, per_picture)


def _value(given: Any) -> Any:
    if given is None or isinstance(given, bool | str):
        return given
    if isinstance(given, int | float):
        if isinstance(given, int) and not -MAX_SEED - 1 <= given <= MAX_SEED:
            raise ValueError("is a whole number of more than 64 bits")
        if math.isnan(given):
            raise ValueError("is not a number (NaN)")
        return given
    if hasattr(given, "detach"):  # a torch tensor, given from Python
        given = given.detach().cpu().numpy()
    if isinstance(given, list | tuple | np.ndarray):
        return _tensor(given)
    raise ValueError(f"is a {type(given).__name__}; allowed is {_ALLOWED}")


def _tensor(given: Any) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except (ValueError, OverflowError, RecursionError):  # ragged, too deep, or beyond 64 bits
        raise ValueError("is a ragged list, or nested too deeply; a tensor has equal rows") from None
    if not isinstance(given, np.ndarray) and array.size > MOST_LISTED:
        raise ValueError(
            f"lists {array.size} elements; put more than {MOST_LISTED} into a file: {{file: NAME.npy}}"
        )
    match array.dtype.kind:
        case "b":
            return array
        case "i" | "u" if array.dtype != np.uint8:
            if array.size and int(array.max()) > MAX_SEED:
                raise ValueError("has whole numbers of more than 64 bits")
            return array.astype(np.int64)
        case "u":
            return array
        case "f":
            with np.errstate(over="ignore"):  # an FP64 beyond FP32 becomes infinite
                return array.astype(np.float32)
        case _:
            raise ValueError(
                f"is a list with elements of type {array.dtype}; allowed are whole numbers, floats and truth values"
            )


def _cast(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"has dtype {dtype!r:.60}; allowed are {', '.join(_DTYPES)}")
    with np.errstate(invalid="ignore"):  # infinity has no whole number; the comparison below finds it
        cast = array.astype(_DTYPES[dtype])
    if dtype != "FP32" and not np.array_equal(cast, array):
        raise ValueError(f"has values that {dtype} cannot hold")
    return cast


def _of_file(given: Mapping[str, Any], folder: Path) -> NDArray[Any]:
    """The array of a file beside the signature: a bundle must not depend on a file elsewhere."""
    name, wanted = given["file"], given.get("array")
    if not isinstance(name, str) or not names_arrays(name):
        raise ValueError(f"has file {name!r:.200}; it takes a file ending in {' or '.join(ARRAY_SUFFIXES)}")
    try:
        arrays = read_arrays(ordinary_file(folder, name))
    except IntegrityError as error:
        reason = str(error).replace("; copy, pull or export the bundle again", "")
        raise ValueError(f"has a file that cannot be used: {reason}") from None
    except DataError as error:
        raise ValueError(f"has a file that cannot be used: {error}") from None
    if wanted is None and len(arrays) == 1:
        return next(iter(arrays.values()))
    if wanted not in arrays:
        known = ", ".join(sorted(filter(None, arrays))) or "one array without a name"
        raise ValueError(f"has array {wanted!r}; {name} has: {known}")
    return arrays[wanted]
