"""How much memory a server of some models takes, and how large their requests are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tritonclient.grpc import model_config_pb2

from .images import ServedModelFiles

__all__ = ["instance_count", "memory_bytes", "request_bytes", "shared_memory_bytes"]

triton: Any = model_config_pb2  # protobuf makes the classes of the schema while it is imported

_MIB = 1 << 20
_JSON_BYTES = 8
"""Most bytes of a pixel or a number in JSON, with separators."""


def shared_memory_bytes(models: Sequence[ServedModelFiles]) -> int:
    """Size of /dev/shm: for each instance twice its largest batch, inputs and outputs, and what Triton needs."""
    total = 64 * _MIB
    for model in models:
        total += instance_count(model) * (2 * _batch_bytes(model) + 4 * _MIB)
    return _whole_mib(total)


def memory_bytes(models: Sequence[ServedModelFiles]) -> int:
    """Limit of memory: each instance holds its weights three times while it loads, beside Triton and Python."""
    total = 1024 * _MIB + shared_memory_bytes(models)
    for model in models:
        total += instance_count(model) * (3 * model.size_bytes + 512 * _MIB)
    return _whole_mib(total)


def request_bytes(models: Sequence[ServedModelFiles]) -> int:
    """Largest HTTP request: the largest batch of any model in JSON."""
    return _whole_mib(_MIB + max(_JSON_BYTES * _batch_bytes(model, outputs=False) for model in models))


def instance_count(model: ServedModelFiles) -> int:
    """Instances of a model on one device; 1 where its configuration names none."""
    return max(1, sum(group.count for group in model.config.instance_group))


def _batch_bytes(model: ServedModelFiles, *, outputs: bool = True) -> int:
    """Bytes of the largest batch; a free dimension counts with the most that the signature allows."""
    config = model.config
    tensors = [*config.input, *(config.output if outputs else ())]
    return max(1, config.max_batch_size) * sum(_row_bytes(tensor, model) for tensor in tensors)


def _row_bytes(tensor: Any, model: ServedModelFiles) -> int:
    kinds = {
        "TYPE_UINT8": 1,
        "TYPE_FP16": 2,
        "TYPE_BF16": 2,
        "TYPE_FP32": 4,
        "TYPE_INT32": 4,
        "TYPE_STRING": 4100,
    }
    size = kinds.get(triton.DataType.Name(tensor.data_type), 8)
    most = _MOST_SIDE
    if model.manifest is not None:
        signature = model.manifest.signature
        sides = [field.most_side for field in (*signature.inputs, signature.output) if field.most_side]
        most = max(sides, default=most)
    return size * math.prod(extent if extent > 0 else most for extent in tensor.dims)


_MOST_SIDE = 2048
"""For a free size where no bundle says more."""


def _whole_mib(size: float) -> int:
    return math.ceil(size / _MIB) * _MIB
