"""Transposed convolution of a 1x1 picture -> matrix product: each tap is read once, nothing overlaps.

It is how many a DCGAN starts (Radford et al. 2016), and the slowest way for most runtimes to multiply a matrix.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ._editing import Editor, constant, integers, nodes_of

__all__ = ["apply"]

SUMMARY = "transposed convolution of a 1x1 picture -> matrix product"
ORDER = 10
ALWAYS = True


def apply(model: ir.Model) -> int:
    """Rewrite every transposed convolution, not in groups, whose input is known to be of one pixel.

    Returns:
        How many were rewritten.
    """
    return sum(_rewrite(Editor(model, node)) for node in nodes_of(model, "ConvTranspose"))


def _rewrite(edit: Editor) -> bool:
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
