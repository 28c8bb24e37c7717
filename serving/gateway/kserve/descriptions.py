"""What the protocol says of a server and of a model, made from the signature: no fact of the machine is in it."""

from __future__ import annotations

from typing import Any

from ...._version import __version__
from ....signature import Signature
from ....signature.fields import Field
from .tensors import wire_shape

__all__ = ["EXTENSIONS", "PLATFORM", "model_configuration", "model_metadata", "server_metadata"]

EXTENSIONS = ("binary_tensor_data", "model_configuration")
"""Of Triton's extensions of the protocol, those that the gateway has."""

PLATFORM = "litho"


def server_metadata() -> dict[str, Any]:
    """The answer to GET /v2."""
    return {"name": "litho", "version": __version__, "extensions": list(EXTENSIONS)}


def model_metadata(name: str, version: str, signature: Signature) -> dict[str, Any]:
    """The answer to GET /v2/models/NAME.

    Args:
        name, version: of the model.
        signature: of the model.
    """
    return {
        "name": name,
        "versions": [version],
        "platform": PLATFORM,
        "inputs": [_metadata(field) for field in signature.inputs],
        "outputs": [_metadata(signature.output)],
    }


def model_configuration(
    name: str, version: str, signature: Signature, most_rows: int, parameters: dict[str, str]
) -> dict[str, Any]:
    """The answer to GET /v2/models/NAME/config, in the form of Triton's message ModelConfig.

    Instances, warm-up, paths and queues are the server's own business and are left out. A model that works in flight
    is described as what it is at this address: one that gives one answer to one request.

    Args:
        name, version: of the model.
        signature: of the model.
        most_rows: largest batch.
        parameters: facts of the deployment, name -> text.
    """
    return {
        "name": name,
        "platform": "",
        "backend": PLATFORM,
        "version_policy": {"specific": {"versions": [int(version)]}},
        "max_batch_size": most_rows,
        "input": [_configuration(field, optional=field.default is not None) for field in signature.inputs],
        "output": [_configuration(signature.output)],
        "model_transaction_policy": {"decoupled": False},
        "parameters": {key: {"string_value": text} for key, text in sorted(parameters.items())},
    }


def _metadata(field: Field) -> dict[str, Any]:
    return {"name": field.name, "datatype": field.dtype, "shape": [-1, *wire_shape(field)]}


def _configuration(field: Field, *, optional: bool | None = None) -> dict[str, Any]:
    kind = "STRING" if field.dtype == "BYTES" else field.dtype
    described: dict[str, Any] = {
        "name": field.name,
        "data_type": f"TYPE_{kind}",
        "dims": list(wire_shape(field)),
    }
    return described if optional is None else {**described, "optional": optional}
