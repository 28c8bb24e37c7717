"""Replace the transposed convolution of a 1x1 picture by a matrix product.

No two taps write the same pixel. Many a DCGAN starts like this (Radford et al. 2016), and most runtimes compute the
matrix product faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._editing import Editor, constant, integers, nodes_of

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "transposed convolution of a 1x1 picture -> matrix product"
ORDER = 10
DEFAULT = True


def apply(model: ir.Model) -> int:
    """Replace every transposed convolution without groups whose input has one pixel.

    Returns:
        How many were replaced.
    """
    return sum(_replace(Editor(model, node)) for node in nodes_of(model, "ConvTranspose"))


def _replace(edit: Editor) -> bool:
    node, weight = edit.node, constant(edit.node.inputs[1])
    before = node.inputs[0]
    if weight is None or weight.ndim != 4 or before is None or before.shape is None:
        return False
    padded = any(integers(node, "output_padding", (0, 0)))
    spread = set(integers(node, "dilations", (1, 1))) != {1}
    grouped = node.attributes.get_int("group", 1) != 1
    automatic = (
        node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes
    )
    if tuple(before.shape[2:]) != (1, 1) or padded or spread or grouped or automatic:
        return False
    top, left, bottom, right = integers(node, "pads", (0, 0, 0, 0))
    kept = weight[:, :, top : weight.shape[2] - bottom, left : weight.shape[3] - right]
    count, out, height, width = kept.shape
    if not height or not width:
        return False
    inputs = [
        edit.op("Reshape", [before, edit.constant("rows", np.array([-1, count]))]),
        edit.constant("weight", kept.reshape(count, -1)),
    ]
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = constant(node.inputs[2])
        if bias is None:
            return False
        inputs.append(edit.constant("bias", np.repeat(bias, height * width)))
    product = edit.op("Gemm", inputs)
    shape = edit.constant("shape", np.array([-1, out, height, width]))
    edit.finish(edit.op("Reshape", [product, shape]))
    return True
