"""LoadGen's samples: the probes of a bundle, each a request for one picture that PyTorch has made as well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle
from ...bundle.probes import Probes
from ...errors import UsageError
from ...parity.coverage import covered_probes

__all__ = ["Samples"]


class Samples:
    """The probes of all banks whose inputs and pictures have the usual size, numbered through.

    A bank of another picture size cannot be in one request with the others, and is left to `litho verify`.

    Args:
        bundle: with its probes.

    Attributes:
        inputs: field name -> array of shape (samples, ...).
        shape: of a picture, (height, width, channels).
        banks: the banks, the usual one first.

    Raises:
        UsageError: what the bundle makes are no pictures.
        ProofError: the bundle lacks probes.
    """

    def __init__(self, bundle: Bundle) -> None:
        signature = bundle.manifest.signature
        probes = covered_probes(bundle)
        usual = {name: values.shape[1:] for name, values in probes.inputs.items()}
        self.banks = tuple(
            bank
            for bank in (probes, *probes.others)
            if {name: values.shape[1:] for name, values in bank.inputs.items()} == usual
        )
        self.inputs: dict[str, NDArray[Any]] = {
            name: np.concatenate([bank.inputs[name] for bank in self.banks]) for name in usual
        }
        if signature.output.numpy_dtype != np.uint8:
            raise UsageError(
                f"{bundle.manifest.name} makes no UINT8 pictures, which LoadGen's log could hold"
            )
        self.shape = signature.output_shape({name: values[:1] for name, values in self.inputs.items()})[1:]

    def __len__(self) -> int:
        return sum(len(bank.images) for bank in self.banks)

    def rows(self, numbers: Iterable[int]) -> dict[str, NDArray[Any]]:
        """The inputs of some samples, as one request."""
        chosen = list(numbers)
        return {name: values[chosen] for name, values in self.inputs.items()}

    def bank_of(self, number: int) -> tuple[Probes, int]:
        """The bank of a sample, and its number in it."""
        for bank in self.banks:
            if number < len(bank.images):
                return bank, number
            number -= len(bank.images)
        raise IndexError(f"there is no sample {number}")
