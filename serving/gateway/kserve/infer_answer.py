"""An answer of the protocol: the pictures as raw bytes behind the JSON, or as numbers in it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import InvalidInput
from ....signature import Signature
from ...provenance.receipt import Receipt
from .infer_request import InferRequest

__all__ = ["LENGTH_HEADER", "MOST_JSON_VALUES", "check_answer", "infer_answer"]

LENGTH_HEADER = "Inference-Header-Content-Length"

MOST_JSON_VALUES = 2**22
"""Most values that an answer has as numbers in JSON, four bytes each."""

_NUMBERS = np.array([f"{value:3d}," for value in range(256)], dtype="S4")
"""Byte -> its text in a list. JSON allows spaces, and with texts of one length no value needs a step of its own."""

_JSON = json.JSONEncoder(separators=(",", ":"))
_DATA = b'"data":null'


def check_answer(signature: Signature, request: InferRequest) -> None:
    """Refuse a request whose answer would be too long, before any work is done for it.

    Args:
        signature: of the model.
        request: with its inputs.

    Raises:
        InvalidInput: the pictures are too large for JSON.
    """
    values = math.prod(signature.output_shape(request.inputs))
    if not request.binary and values > MOST_JSON_VALUES:
        raise InvalidInput(
            f"the answer would have {values} numbers; allowed are {MOST_JSON_VALUES} in JSON: ask for raw bytes, with"
            " the parameter 'binary_data_output': true"
        )


def infer_answer(
    images: NDArray[np.uint8],
    request: InferRequest,
    *,
    output: str,
    model: str,
    version: str,
    receipts: Sequence[Receipt] = (),
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an answer.

    Args:
        images: UINT8 of shape (batch, height, width, channels).
        request: that is answered.
        output: name of the output.
        model, version: that made them.
        receipts: of the pictures, in their order; KServe's parameters are numbers and texts, so that they travel as
            the text of a JSON list.
    """
    more: dict[str, Any] = {} if request.identifier is None else {"id": request.identifier}
    if receipts:
        more["parameters"] = {"receipts": f"[{','.join(one.to_json() for one in receipts)}]"}
    text = _head(output, images.shape, model, version, images.nbytes if request.binary else None)
    if more:
        text = text[:-1] + b"," + _JSON.encode(more)[1:].encode()
    if not request.binary:
        numbers = _NUMBERS[images.reshape(-1)].tobytes()[:-1]
        return text.replace(_DATA, b'"data":[%b]' % numbers, 1), {"content-type": "application/json"}
    headers = {"content-type": "application/octet-stream", LENGTH_HEADER.lower(): str(len(text))}
    return text + images.tobytes(), headers


@lru_cache(256)
def _head(output: str, shape: tuple[int, ...], model: str, version: str, size: int | None) -> bytes:
    """The JSON of an answer, which most answers of a model share; without a `size`, `_DATA` stands for the values."""
    values: dict[str, Any] = {"data": None} if size is None else {"parameters": {"binary_data_size": size}}
    tensor = {"name": output, "datatype": "UINT8", "shape": list(shape), **values}
    return _JSON.encode({"outputs": [tensor], "model_name": model, "model_version": version}).encode()
