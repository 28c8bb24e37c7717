"""The probes of a bundle: a fixed set of inputs, with the pictures that PyTorch FP32 makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BundleError

__all__ = ["PROBES_NAME", "Probes"]

PROBES_NAME = "probes.safetensors"


@dataclass(frozen=True)
class Probes:
    """Inputs, with the pictures that PyTorch FP32 makes of them.

    Args:
        inputs: field name -> array of shape (count, ...).
        images: UINT8 of shape (count, height, width, channels).
        others: further probes, one set for each other size, of a generator whose picture size is free.
    """

    inputs: dict[str, NDArray[Any]]
    images: NDArray[np.uint8]
    others: tuple[Probes, ...] = ()

    def first(self, count: int) -> Probes:
        """The first `count` probes of the usual size."""
        return Probes({name: values[:count] for name, values in self.inputs.items()}, self.images[:count])

    def to_bytes(self) -> bytes:
        """The probes as the content of a safetensors file."""
        from safetensors.numpy import save

        arrays: dict[str, NDArray[Any]] = {}
        for number, bank in enumerate((self, *self.others)):
            prefix = f"{number}." if number else ""
            for name, array in bank.inputs.items():
                kind = "text" if array.dtype == object else "input"
                arrays[f"{prefix}{kind}.{name}"] = _packed(array)
            arrays[f"{prefix}image"] = bank.images
        # safetensors writes memory as it lies, so the axes must lie in order.
        return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})

    @classmethod
    def from_bytes(cls, content: bytes) -> Probes:
        """Read the content of a safetensors file.

        Raises:
            BundleError: the content is not that of a probe file.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            first, *others = _banks(load(content))
        except (SafetensorError, LookupError) as error:
            raise BundleError(
                f"{PROBES_NAME} is not a file of probes ({error}); export the bundle again"
            ) from None
        return replace(first, others=tuple(others))


def _banks(arrays: dict[str, NDArray[Any]]) -> list[Probes]:
    """Sets of probes from the arrays of a file; the keys of all but the first set begin with its number."""
    banks: dict[int, dict[str, NDArray[Any]]] = {0: {}}
    for name, array in arrays.items():
        number, dot, rest = name.partition(".")
        numbered = bool(dot) and number.isdecimal()
        banks.setdefault(int(number) if numbered else 0, {})[rest if numbered else name] = array
    return [
        Probes(
            {
                name.partition(".")[2]: _texts(array) if name.startswith("text.") else array
                for name, array in bank.items()
                if name != "image"
            },
            bank["image"],
        )
        for _, bank in sorted(banks.items())
    ]


def _packed(array: NDArray[Any]) -> NDArray[Any]:
    """Texts, which safetensors does not know, as UTF-8 in rows of UINT8 padded with zeros; other arrays unchanged."""
    if array.dtype != object:
        return array
    rows = np.array([text.encode() for text in array], dtype=bytes)
    return rows.view(np.uint8).reshape(len(array), -1)


def _texts(rows: NDArray[np.uint8]) -> NDArray[Any]:
    return np.array([bytes(row).rstrip(b"\0").decode() for row in rows], dtype=object)
