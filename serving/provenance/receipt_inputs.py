"""From the fields of a receipt to the inputs of a runner."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import IntegrityError, InvalidInput, UsageError
from ...signature import Signature
from ...signature.array_files import names_arrays
from ...signature.fields import Field, Role
from ...signature.image_files import bombs_are_errors, read_hole, read_picture
from ..generation.generate import parse_inputs
from .receipt import ArrayRecord, Receipt, elements_sha256

__all__ = ["in_a_batch", "inputs_of"]

MOST_FILE_BYTES = 256 << 20
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
        InvalidInput: the runner takes other fields than the receipt has, or not these values.
        IntegrityError: the values of an array are not those of its hash.
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
    # Anybody can write a receipt: names and values are checked as those of a request are.
    arrays: dict[str, Any] = dict.fromkeys(receipt.fields)
    for field in signature.inputs:
        value = receipt.fields.get(field.name)
        if field.name in hashed:
            arrays[field.name] = _as_hashed(signature, field, files[field.name], hashed[field.name])
        elif isinstance(value, ArrayRecord):
            arrays[field.name] = _recorded(field, value)
        elif value is not None:
            alone = all(extent == 1 for extent in field.shape)
            arrays[field.name] = np.asarray(value).reshape(1, *field.shape) if alone else [value]
    return signature.check(arrays)


def _recorded(field: Field, record: ArrayRecord) -> NDArray[Any]:
    """An array whose values stand in the receipt, if they are those of its hash."""
    values = record.values or ()
    if len(values) == math.prod(record.shape):
        array = field.check(np.asarray(values).reshape(1, *record.shape))
        if elements_sha256(array) == record.sha256:
            return array
    raise IntegrityError(
        f"the values of {field.name!r} in the receipt are not those of its hash and shape; get the picture from its"
        " maker again"
    )


def _as_hashed(signature: Signature, field: Field, file: str, record: ArrayRecord) -> NDArray[Any]:
    """A value from a file, if it is the one of the receipt."""
    if field.dtype != record.dtype or not field.fits(record.shape):
        raise InvalidInput(
            f"the receipt has {field.name!r} as {record.dtype} of shape {record.shape}; allowed is {field.allowed}"
        )
    for array in _readings(signature, field, file, record):
        if array.shape == record.shape and elements_sha256(array) == record.sha256:
            return array[None]
    raise UsageError(
        f"{file} is not what {field.name!r} was made from: its hash is not the receipt's; give the very file that was"
        " sent"
    )


def _readings(signature: Signature, field: Field, file: str, record: ArrayRecord) -> Iterator[NDArray[Any]]:
    """What a file means to the gateway, and to `litho generate`, as a value of one picture."""
    if field.role in _PICTURES and not names_arrays(file):
        content, size = _content(file), (record.shape[0], record.shape[1])
        with bombs_are_errors():
            if field.role is Role.MASK:
                yield read_hole(content, file, size)
            else:
                yield read_picture(content, file, size=size, channels=record.shape[2])
    yield parse_inputs(signature, {field.name: file})[field.name][0]


def _content(file: str) -> bytes:
    path = Path(file)
    if not path.is_file() or path.stat().st_size > MOST_FILE_BYTES:
        raise UsageError(f"--input was given {file!r}; expected a file of at most {MOST_FILE_BYTES} bytes")
    return path.read_bytes()
