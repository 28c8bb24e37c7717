"""The probes of a bundle: fixed banks of inputs, with the pictures that PyTorch FP32 makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BundleError

__all__ = ["EXTREMES", "PERIOD", "PROBES_NAME", "USUAL", "Probes", "in_words"]

PROBES_NAME = "probes.safetensors"

USUAL = "probes"
"""Name of the bank that figures and pictures are shown of."""

EXTREMES = "extremes"
"""Name of the bank that combines the ends of what the fields allow."""

PERIOD = 8
"""Inputs that come again after this many probes are written once."""

_LONGEST_TEXT = 40
"""Characters of a text that are shown."""

_STRIDE = "stride"
_IMAGE = "image"


@dataclass(frozen=True)
class Probes:
    """A bank of probes: inputs, with the pictures that PyTorch FP32 makes of them.

    Args:
        inputs: field name -> array of shape (count, ...).
        images: UINT8 of shape (count, height, width, channels).
        others: further banks, each with a name of its own.
        name: of the bank; of the further ones "seeds", "labels", "extremes", or "size 32x64" for a size of a generator
            whose picture size is free.
        stride: of the pictures, only every `stride`-th row and column is kept: many large pictures fill a disk.
    """

    inputs: dict[str, NDArray[Any]]
    images: NDArray[np.uint8]
    others: tuple[Probes, ...] = ()
    name: str = USUAL
    stride: int = 1

    def first(self, count: int) -> Probes:
        """The first `count` probes of this bank."""
        return self.chosen(range(min(count, len(self.images))))

    def chosen(self, numbers: Sequence[int]) -> Probes:
        """The probes with these numbers, counted from 0, as a bank of the same name without further ones."""
        rows = list(numbers)
        inputs = {name: values[rows] for name, values in self.inputs.items()}
        return replace(self, inputs=inputs, images=self.images[rows], others=())

    def strided(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What this bank keeps of whole pictures, UINT8 of shape (count, height, width, channels)."""
        return images if self.stride == 1 else images[:, :: self.stride, :: self.stride]

    def to_bytes(self) -> bytes:
        """The bank and its further ones as the content of a safetensors file."""
        from safetensors.numpy import save

        arrays: dict[str, NDArray[Any]] = {}
        for number, bank in enumerate((self, *self.others)):
            prefix = f"{number}." if number else ""
            for name, array in bank.inputs.items():
                kind = "text" if array.dtype == object else "input"
                arrays[f"{prefix}{kind}.{name}"] = _packed(_once(array))
            arrays[f"{prefix}{_IMAGE}"] = bank.images
            if number:
                arrays[f"{prefix}name"] = np.frombuffer(bank.name.encode(), np.uint8)
            if bank.stride > 1:
                arrays[f"{prefix}{_STRIDE}"] = np.array([bank.stride], np.int64)
        # safetensors writes memory as it lies, so the axes must lie in order.
        return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})

    @classmethod
    def from_bytes(cls, content: bytes) -> Probes:
        """Read the content of a safetensors file; further banks without a name are those of other sizes.

        Raises:
            BundleError: the content is not that of a probe file.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            first, *others = _banks(load(content))
        except (SafetensorError, LookupError, ValueError) as error:
            raise BundleError(
                f"{PROBES_NAME} is not a file of probes ({error}); export the bundle again"
            ) from None
        return replace(first, others=tuple(others))


def in_words(inputs: Mapping[str, NDArray[Any]], number: int) -> str:
    """The numbers and texts among a probe's inputs, such as: seed 3, prompt “a circle”; long text is cut."""
    words = []
    for name, values in inputs.items():
        value = values[number]
        if isinstance(value, str):
            cut = value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}…"
            words.append(f"{name} “{' '.join(cut.split())}”")
        elif np.ndim(value) == 0:
            words.append(f"{name} {value:g}" if np.asarray(value).dtype.kind == "f" else f"{name} {value}")
    return ", ".join(words)


def _banks(arrays: dict[str, NDArray[Any]]) -> list[Probes]:
    """Banks from the arrays of a file; the keys of all but the first bank begin with its number."""
    banks: dict[int, dict[str, NDArray[Any]]] = {0: {}}
    for name, array in arrays.items():
        number, dot, rest = name.partition(".")
        numbered = bool(dot) and number.isdecimal()
        banks.setdefault(int(number) if numbered else 0, {})[rest if numbered else name] = array
    return [_bank(number, bank) for number, bank in sorted(banks.items())]


def _bank(number: int, arrays: dict[str, NDArray[Any]]) -> Probes:
    images = arrays.pop(_IMAGE)
    stride = int(arrays.pop(_STRIDE)[0]) if _STRIDE in arrays else 1
    if stride < 1:
        raise ValueError(f"stride {stride} of bank {number}")
    _, height, width, _ = images.shape
    name = f"size {height}x{width}" if number else USUAL
    if "name" in arrays:
        name = arrays.pop("name").tobytes().decode()
    inputs = {
        key.partition(".")[2]: _repeated(_texts(array) if key.startswith("text.") else array, len(images))
        for key, array in arrays.items()
    }
    return Probes(inputs, images, name=name, stride=stride)


def _once(array: NDArray[Any]) -> NDArray[Any]:
    """The values that come again and again, if they do; else all."""
    return array[:PERIOD] if len(array) > PERIOD and (array[PERIOD:] == array[:-PERIOD]).all() else array


def _repeated(array: NDArray[Any], count: int) -> NDArray[Any]:
    if len(array) == count:
        return array
    if len(array) != PERIOD or count < PERIOD:
        raise ValueError(f"{len(array)} values for {count} pictures")
    return array[np.arange(count) % PERIOD]


def _packed(array: NDArray[Any]) -> NDArray[Any]:
    """Texts, which safetensors does not know, as UTF-8 in rows of UINT8 padded with zeros; other arrays unchanged."""
    if array.dtype != object:
        return array
    rows = np.array([text.encode() for text in array], dtype=bytes)
    return rows.view(np.uint8).reshape(len(array), -1)


def _texts(rows: NDArray[np.uint8]) -> NDArray[Any]:
    return np.array([bytes(row).rstrip(b"\0").decode() for row in rows], dtype=object)
