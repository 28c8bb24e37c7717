"""Transposed convolutions with few outputs as sub-pixel convolutions."""

from typing import Any

import pytest


@pytest.mark.parametrize(("outside", "replaced"), [(15, True), (16, False)])
def test_only_fewer_outputs_than_a_vector_has_are_replaced(
    transposed: Any, check: Any, outside: int, replaced: bool
) -> None:
    model, changed = check(transposed(strides=[2, 2], pads=[1, 1, 1, 1], outside=outside), "subpixel_narrow")
    assert model.graph.node[0].op_type == ("Conv" if replaced else "ConvTranspose")
    assert changed == ({"subpixel_narrow": 1} if replaced else {})
