"""Transposed convolution -> convolution, depth-to-space and crop: the same sums, by operators that all runtimes have.

Shi et al. (2016), "Is the deconvolution layer the same as a convolutional layer?". A transposed convolution of stride
s writes s interleaved pictures. Each is an ordinary convolution with every s-th tap of the kernel: one with
s x s times the channels makes all of them, depth-to-space interleaves them, and a crop does what the padding did.

INT8 and BF16 need it: few runtimes have a transposed convolution in those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .editing import Editor, constant, crop, integers, nodes_of

__all__ = ["apply"]

SUMMARY = "transposed convolution -> sub-pixel convolution"


@dataclass(frozen=True)
class _Axis:
    """One spatial axis of a transposed convolution.

    Args:
        kernel, stride, before, after, extra: taps, stride, padding on both sides, output padding.
    """

    kernel: int
    stride: int
    before: int
    after: int
    extra: int

    @property
    def taps(self) -> int:
        """Of the convolution: those that fall on one of the interleaved pictures, of the one that has most."""
        return -(-self.kernel // self.stride)

    @property
    def padding(self) -> tuple[int, int]:
        """Before and after; further behind where the output padding asks for more than the kernel reaches."""
        missing = self.extra - self.after - (self.taps * self.stride - self.kernel)
        return self.taps - 1, self.taps - 1 + max(0, -(-missing // self.stride))

    @property
    def crop(self) -> tuple[int, int]:
        """What is cut off before and after, in pixels of the result."""
        made_beyond = (self.padding[1] + 1) * self.stride - self.kernel
        return self.before, made_beyond + self.after - self.extra


def apply(model: ir.Model) -> int:
    """Rewrite every transposed convolution of two spatial axes, equal strides and no dilation.

    Returns:
        How many were rewritten.
    """
    return sum(_rewrite(Editor(model, node)) for node in nodes_of(model, "ConvTranspose"))


def _rewrite(edit: Editor) -> bool:
    node = edit.node
    weight = constant(node.inputs[1])
    axes = _axes(node, weight)
    if weight is None or axes is None:
        return False
    stride = axes[0].stride
    groups = node.attributes.get_int("group", 1)
    kernel = edit.constant("weight", _interleaved(weight, groups, axes))
    inputs = [node.inputs[0], kernel]
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = constant(node.inputs[2])
        if bias is None:
            return False
        inputs.append(edit.constant("bias", np.repeat(bias, stride**2)))
    (top, bottom), (left, right) = (axis.padding for axis in axes)
    result = edit.op(
        "Conv",
        inputs,
        kernel_shape=[axis.taps for axis in axes],
        pads=[top, left, bottom, right],
        strides=[1, 1],
        group=groups,
    )
    if stride > 1:
        result = edit.op("DepthToSpace", [result], blocksize=stride, mode="CRD")
    edit.finish(crop(edit, result, [axis.crop for axis in axes]))
    return True


def _axes(node: ir.Node, weight: NDArray[np.float32] | None) -> tuple[_Axis, _Axis] | None:
    if weight is None or weight.ndim != 4 or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return None
    strides, extra = integers(node, "strides", (1, 1)), integers(node, "output_padding", (0, 0))
    pads, dilations = integers(node, "pads", (0, 0, 0, 0)), integers(node, "dilations", (1, 1))
    if strides[0] != strides[1] or set(dilations) != {1} or "output_shape" in node.attributes:
        return None
    first, second = (
        _Axis(weight.shape[2 + axis], strides[axis], pads[axis], pads[2 + axis], extra[axis])
        for axis in (0, 1)
    )
    # A crop of less than nothing would be a padding.
    return (first, second) if all(min(axis.crop) >= 0 for axis in (first, second)) else None


def _interleaved(weight: NDArray[np.float32], groups: int, axes: tuple[_Axis, _Axis]) -> NDArray[np.float32]:
    """(in, out / groups, height, width) -> (stride² · out, in / groups, taps, taps)."""
    stride = axes[0].stride
    for axis, spatial in zip(axes, (2, 3), strict=True):
        widths = [(0, 0)] * 4
        widths[spatial] = (0, axis.taps * stride - axis.kernel)
        weight = np.pad(weight, widths)
    count, out = weight.shape[0] // groups, weight.shape[1]
    rows, columns = (axis.taps for axis in axes)
    parts = weight.reshape(groups, count, out, rows, stride, columns, stride)[..., ::-1, :, ::-1, :]
    # Convolution turns the kernel round; the interleaved pictures are the innermost output channels.
    return np.ascontiguousarray(
        parts.transpose(0, 2, 4, 6, 1, 3, 5).reshape(groups * out * stride**2, count, rows, columns)
    )
