"""Warm-up of a deployment with inputs of the probes: the requests of `model_warmup`, and the files that they read.

Triton reads the files from `warmup/` in the model's directory. It makes a batch of as many requests of one picture, so
a file holds one value: numbers in little-endian order, or a text with its length in front. Warm-up requests count in
the server's statistics.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.probes import USUAL
from ...parity.probe_inputs import probe_inputs
from ...signature import Signature
from .description import Description, data_type, triton

__all__ = ["WARM_UP", "served_shapes", "warm_up_files", "warm_up_requests"]

WARM_UP = "warmup"
"""Folder in a model's directory where Triton looks for files of its warm-up."""

_SIZE = "size "


def served_shapes(signature: Signature) -> tuple[dict[str, tuple[int, ...]], ...]:
    """Field name -> shape of one picture's value, for each size that probes have; the usual size first."""
    return tuple(
        {name: values.shape[1:] for name, values in inputs.items()} for _, inputs in _banks(signature)
    )


def warm_up_requests(
    description: Description, *, optional_inputs: bool, filled: Collection[int] = ()
) -> list[Any]:
    """Messages `ModelWarmup`: each batch size that matters at the usual size, and the smallest at every other one.

    Args:
        description: of the deployment.
        optional_inputs: whether inputs with a default are left out.
        filled: further batch sizes that matter, as the runner fills batches up to them.
    """
    if not description.settings.warm_up:
        return []
    further = {size for size in filled if size <= description.batch_limit}
    sizes = tuple(sorted(further.union(description.batch_sizes)))
    if description.manifest.sampler is not None:
        # The largest would take as long as hundreds of pictures.
        largest = min(max(variant.batches[1] for variant in description.variants), description.batch_limit)
        preferred = description.settings.preferred_batch_sizes
        sizes = tuple(size for size in sizes if size <= largest or size in preferred)
    requests: list[Any] = []
    for bank, inputs in _banks(description.signature):
        for size in sizes if bank == USUAL else sizes[:1]:
            request = triton.ModelWarmup(
                name=f"batch {size}" + ("" if bank == USUAL else f" of {bank}"), batch_size=size
            )
            for name in _sent(description.signature, optional_inputs):
                field = next(one for one in description.signature.inputs if one.name == name)
                request.inputs[name].data_type = data_type(field)
                request.inputs[name].dims[:] = inputs[name].shape[1:] or (1,)
                request.inputs[name].input_data_file = _file(description.version, bank, name)
            requests.append(request)
    return requests


def warm_up_files(description: Description, *, optional_inputs: bool) -> dict[str, bytes]:
    """The files that `warm_up_requests` names: path in the model's directory -> content."""
    if not description.settings.warm_up:
        return {}
    return {
        f"{WARM_UP}/{_file(description.version, bank, name)}": _raw(inputs[name][-1])
        for bank, inputs in _banks(description.signature)
        for name in _sent(description.signature, optional_inputs)
    }


def _banks(signature: Signature) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    for name, inputs in probe_inputs(signature).items():
        if name == USUAL or name.startswith(_SIZE):
            yield name, inputs


def _sent(signature: Signature, optional_inputs: bool) -> list[str]:
    return [field.name for field in signature.inputs if field.default is None or not optional_inputs]


def _file(version: int, bank: str, name: str) -> str:
    # An earlier version keeps its own, for a rollback.
    return f"{version}/{name}" if bank == USUAL else f"{version}/{bank.removeprefix(_SIZE)}-{name}"


def _raw(value: Any) -> bytes:
    """One value as Triton's file has it."""
    if isinstance(value, str):
        content = value.encode()
        return struct.pack("<I", len(content)) + content
    array = np.asarray(value)
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
