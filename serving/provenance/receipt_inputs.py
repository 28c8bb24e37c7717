"""From the fields of a receipt to the inputs of a runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ...signature import Signature
from ...signature.fields import Role
from ..generation.generate import parse_inputs
from .receipt import ArrayRecord, Receipt, field_value

__all__ = ["in_a_batch", "inputs_of"]

_PICTURES = (Role.IMAGE, Role.MASK)


def in_a_batch(
    signature: Signature, own: Mapping[str, NDArray[Any]], batch: int, row: int
) -> dict[str, NDArray[Any]]:
    """Inputs of a batch, one row of which is a given picture; the others have inputs of their own.

    Args:
        signature: of the runner.
        own: inputs of the picture, as a batch of one.
        batch: number of rows.
        row: of the picture, from 0.
    """
    inputs: dict[str, NDArray[Any]] = {}
    for field, others in zip(signature.inputs, signature.example(batch, seed=1).values(), strict=True):
        value = own[field.name]
        if field.role in _PICTURES:  # all pictures of a request have one size
            inputs[field.name] = np.repeat(value, batch, axis=0)
        else:
            inputs[field.name] = np.concatenate([others[:row], value, others[row + 1 :]])
    return inputs


def inputs_of(signature: Signature, receipt: Receipt, files: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The inputs of a picture, as a batch of one.

    Args:
        signature: of the runner.
        receipt: of the picture.
        files: field name -> file, as `litho generate` takes them, for fields of which the receipt has only the hash.

    Raises:
        UsageError: a file is missing, or is not the one that the picture was made from.
        InvalidInput: the runner takes other fields than the receipt has.
    """
    hashed = {
        name: value
        for name, value in receipt.fields.items()
        if isinstance(value, ArrayRecord) and value.values is None
    }
    if missing := sorted(set(hashed) - set(files)):
        raise UsageError(
            f"the receipt has only the hash of {missing[0]!r}; give the file: --input {missing[0]}=FILE"
        )
    if unknown := sorted(set(files) - set(hashed)):
        raise UsageError(
            f"--input was given {unknown[0]!r}, which the receipt itself holds or does not name; leave it out"
        )
    given = parse_inputs(signature, files) if files else {}
    arrays: dict[str, Any] = {}
    for field in signature.inputs:
        value = receipt.fields.get(field.name)
        if field.name in hashed:
            arrays[field.name] = _as_hashed(field.name, given[field.name], hashed[field.name], files)
        elif isinstance(value, ArrayRecord):
            arrays[field.name] = np.asarray(value.values, field.numpy_dtype).reshape(1, *value.shape)
        elif value is not None:
            arrays[field.name] = np.asarray([value], field.numpy_dtype)
    return signature.check(arrays)


def _as_hashed(name: str, given: Any, record: ArrayRecord, files: Mapping[str, str]) -> NDArray[Any]:
    """A value from a file, if it is the one of the receipt."""
    array = np.asarray(given).reshape(-1, *record.shape) if np.size(given) == np.prod(record.shape) else None
    found = None if array is None else field_value(array[0])
    if array is None or not isinstance(found, ArrayRecord) or found.sha256 != record.sha256:
        raise UsageError(
            f"{files[name]} is not what {name!r} was made from: its hash is not the receipt's; give the very file that"
            " was sent"
        )
    return array
