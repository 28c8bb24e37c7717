"""The bank of probes that a bundle carries: inputs, with the pictures that PyTorch made from them in FP32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BundleError

__all__ = ["PROBES_NAME", "Probes"]

PROBES_NAME = "probes.safetensors"


@dataclass(frozen=True)
class Probes:
    """Inputs with the pictures that PyTorch made from them in FP32.

    Args:
        inputs: field name -> array of shape (count, ...).
        images: UINT8 of shape (count, height, width, channels).
    """

    inputs: dict[str, NDArray[Any]]
    images: NDArray[np.uint8]

    def to_bytes(self) -> bytes:
        """The probes as the content of a safetensors file."""
        from safetensors.numpy import save

        arrays = {
            f"text.{name}" if array.dtype == object else f"input.{name}": _packed(array)
            for name, array in self.inputs.items()
        }
        arrays["image"] = self.images
        # safetensors writes an array's memory, whatever the order of its axes there.
        return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})

    @classmethod
    def from_bytes(cls, content: bytes) -> Probes:
        """Read the content of a safetensors file.

        Raises:
            BundleError: the content is not that of a probe bank.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(content)
            images = arrays.pop("image")
        except (SafetensorError, KeyError) as error:
            raise BundleError(
                f"{PROBES_NAME} is not a bank of probes ({error}); export the bundle again"
            ) from None
        inputs = {
            name.partition(".")[2]: _texts(array) if name.startswith("text.") else array
            for name, array in arrays.items()
        }
        return cls(inputs, images)


def _packed(array: NDArray[Any]) -> NDArray[Any]:
    """Texts, which safetensors does not know, as UTF-8 in rows of UINT8 filled up with zeros; the rest as it is."""
    if array.dtype != object:
        return array
    rows = np.array([text.encode() for text in array], dtype=bytes)
    return rows.view(np.uint8).reshape(len(array), -1)


def _texts(rows: NDArray[np.uint8]) -> NDArray[Any]:
    return np.array([bytes(row).rstrip(b"\0").decode() for row in rows], dtype=object)
