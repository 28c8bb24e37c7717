"""Signatures and requests that the tests of the protocol share."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from litho.signature import Signature
from litho.signature.fields import (
    MAX_TEXT_BYTES,
    Field,
    Role,
    condition_field,
    image_output,
    label_field,
    mask_field,
    seed_field,
    source_field,
    truncation_field,
)

MOST_ROWS = 4

PLAIN = Signature(
    inputs=(seed_field(), label_field(("zero", "one", "two")), truncation_field()),
    output=image_output(4, 5, 1),
)
RICH = Signature(
    inputs=(
        Field(name="prompt", role=Role.PROMPT, dtype="BYTES"),
        source_field(3, 2, 3),
        mask_field(3, 2),
        condition_field("pose", (2, 3), limits=(-4, 4)),
        condition_field("place", (), "INT64"),
    ),
    output=image_output(3, 2, 3),
)
FREE = Signature(inputs=(source_field(4, 4, 1),), output=image_output(8, 8, 1)).with_free_size(2, 8, 2)
SIGNATURES = {"plain": PLAIN, "rich": RICH, "free": FREE}


@st.composite
def values(draw: st.DrawFn, signature: Signature) -> dict[str, NDArray[np.generic]]:
    """Inputs that the signature allows, one common batch; inputs with a default are sometimes left out."""
    batch = draw(st.integers(1, MOST_ROWS))
    sides = st.integers(1, 4).map(lambda half: 2 * half)
    size = (draw(sides), draw(sides))
    return {
        field.name: draw(_array(field, batch, size))
        for field in signature.inputs
        if field.default is None or draw(st.booleans())
    }


@st.composite
def _array(draw: st.DrawFn, field: Field, batch: int, size: tuple[int, int]) -> NDArray[np.generic]:
    shape = (batch, *(size if field.free else field.shape[:2]), *field.shape[2:])
    count = int(np.prod(shape))
    element: st.SearchStrategy[object]
    match field.dtype:
        case "BYTES":
            element = st.text(max_size=20).filter(lambda text: len(text.encode()) <= MAX_TEXT_BYTES)
        case "FP32":
            limits = (field.minimum, field.maximum)
            element = st.floats(*limits, width=32, allow_nan=False, allow_infinity=False)
        case _:
            info = np.iinfo(field.numpy_dtype)
            least = info.min if field.minimum is None else field.minimum
            element = st.integers(int(least), int(info.max if field.maximum is None else field.maximum))
    drawn = draw(st.lists(element, min_size=count, max_size=count))
    array = np.empty(count, dtype=field.numpy_dtype)
    array[:] = drawn
    return array.reshape(shape)


def request(**changed: Any) -> dict[str, Any]:
    """A good request for PLAIN, with other values of some keys."""
    tensors = [
        {"name": "seed", "datatype": "INT64", "shape": [2, 1], "data": [7, 8]},
        {"name": "label", "datatype": "INT64", "shape": [2, 1], "data": [[0], [2]]},
    ]
    return {"inputs": tensors} | changed


def seed(**changed: Any) -> dict[str, Any]:
    """A request for PLAIN whose seed has other values of some keys; ... leaves one out."""
    tensors = request()["inputs"]
    tensors[0] = {key: value for key, value in (tensors[0] | changed).items() if value is not ...}
    return request(inputs=tensors)
