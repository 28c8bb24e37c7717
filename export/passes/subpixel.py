"""Replace a transposed convolution by a convolution, depth-to-space and a crop: the same sums by common operators.

Shi et al. (2016), "Is the deconvolution layer the same as a convolutional layer?". The output of a transposed
convolution with stride s consists of s x s interleaved sub-pixel phases. Each phase is a convolution with every s-th
tap of the kernel. One convolution with s x s times the channels computes all phases, depth-to-space interleaves them,
and a crop removes the padding.

INT8 and BF16 need this pass: few runtimes have a transposed convolution in these precisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._editing import Editor, constant, crop, integers, nodes_of

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply", "replace"]

SUMMARY = "transposed convolution -> sub-pixel convolution"
ORDER = 40
DEFAULT = False


@dataclass(frozen=True)
class _Axis:
    """One spatial axis of a transposed convolution.

    Args:
        kernel: number of taps.
        stride: number of sub-pixel phases.
        before, after: padding on both sides, in output pixels.
        extra: output padding, in pixels.
    """

    kernel: int
    stride: int
    before: int
    after: int
    extra: int

    @property
    def taps(self) -> int:
        """Largest number of kernel taps in any sub-pixel phase."""
        return -(-self.kernel // self.stride)

    @property
    def padding(self) -> tuple[int, int]:
        """Padding of the convolution, before and after it; more after it if output padding exceeds the kernel."""
        missing = self.extra - self.after - (self.taps * self.stride - self.kernel)
        return self.taps - 1, self.taps - 1 + max(0, -(-missing // self.stride))

    @property
    def crop(self) -> tuple[int, int]:
        """Pixels of the result to crop, before and after."""
        beyond = self.padding[1] - (self.taps - 1)
        return self.before, (self.taps + beyond) * self.stride - self.kernel + self.after - self.extra


def apply(model: ir.Model) -> int:
    """Replace every transposed convolution with two spatial axes and constant weights.

    One with two different strides stays if height or width is unknown: depth-to-space has only one block size, and the
    reshapes in its place need every extent but the batch.

    Returns:
        How many were replaced.
    """
    return replace(model)


def replace(model: ir.Model, fewer_than: int | None = None) -> int:
    """Replace those with fewer than so many output channels in a group, or all of them; see `apply`."""
    return sum(
        _replace(Editor(model, node))
        for node in nodes_of(model, "ConvTranspose")
        if fewer_than is None or _outputs(node) < fewer_than
    )


def _outputs(node: ir.Node) -> int:
    weight = constant(node.inputs[1])
    return 0 if weight is None else weight.shape[1]


def _replace(edit: Editor) -> bool:
    node, groups = edit.node, edit.node.attributes.get_int("group", 1)
    weight = _undilated(node)
    axes = None if weight is None else _axes(node, weight)
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if (
        weight is None
        or axes is None
        or (bias is None and len(node.inputs) > 2 and node.inputs[2] is not None)
    ):
        return False
    extents = _extents(node, axes)
    equal = axes[0].stride == axes[1].stride
    if extents is None and not equal:
        return False
    inputs = [node.inputs[0], edit.constant("weight", _interleaved(weight, groups, axes))]
    if bias is not None:
        inputs.append(edit.constant("bias", np.repeat(bias, axes[0].stride * axes[1].stride)))
    (top, bottom), (left, right) = (axis.padding for axis in axes)
    result = edit.op(
        "Conv",
        inputs,
        kernel_shape=[axis.taps for axis in axes],
        pads=[top, left, bottom, right],
        strides=[1, 1],
        group=groups,
    )
    if not equal and extents is not None:
        result = _interleave(edit, result, weight.shape[1] * groups, axes, extents)
    elif axes[0].stride > 1:
        result = edit.op("DepthToSpace", [result], blocksize=axes[0].stride, mode="CRD")
    edit.finish(crop(edit, result, [axis.crop for axis in axes]))
    return True


def _undilated(node: ir.Node) -> NDArray[np.float32] | None:
    """The weight with the zeros of a dilated kernel written out; None if it is not constant or not of four axes."""
    weight = constant(node.inputs[1])
    if weight is None or weight.ndim != 4:
        return None
    height, width = integers(node, "dilations", (1, 1))
    spread = np.zeros(
        (*weight.shape[:2], (weight.shape[2] - 1) * height + 1, (weight.shape[3] - 1) * width + 1),
        weight.dtype,
    )
    spread[:, :, ::height, ::width] = weight
    return spread


def _axes(node: ir.Node, weight: NDArray[np.float32]) -> tuple[_Axis, _Axis] | None:
    automatic = node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET"
    if automatic or "output_shape" in node.attributes:
        return None
    strides, extra = integers(node, "strides", (1, 1)), integers(node, "output_padding", (0, 0))
    pads = integers(node, "pads", (0, 0, 0, 0))
    first, second = (
        _Axis(weight.shape[2 + axis], strides[axis], pads[axis], pads[2 + axis], extra[axis])
        for axis in (0, 1)
    )
    # A negative crop would be a padding.
    return (first, second) if all(min(axis.crop) >= 0 for axis in (first, second)) else None


def _extents(node: ir.Node, axes: tuple[_Axis, _Axis]) -> tuple[int, int] | None:
    """Height and width of one phase; None if those of the input are unknown."""
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    known = [] if shape is None else [extent for extent in shape[2:] if isinstance(extent, int)]
    if len(known) != len(axes):
        return None
    height, width = (
        extent + sum(axis.padding) - axis.taps + 1 for extent, axis in zip(known, axes, strict=True)
    )
    return height, width


def _interleave(
    edit: Editor, value: ir.Value, channels: int, axes: tuple[_Axis, _Axis], extents: tuple[int, int]
) -> ir.Value:
    """Depth-to-space with two different strides."""
    (rows, columns), (height, width) = (axis.stride for axis in axes), extents
    apart = edit.constant("apart", np.array([-1, channels, rows, columns, height, width]))
    together = edit.constant("together", np.array([-1, channels, height * rows, width * columns]))
    split = edit.op("Reshape", [value, apart])
    return edit.op("Reshape", [edit.op("Transpose", [split], perm=[0, 1, 4, 2, 5, 3]), together])


def _interleaved(weight: NDArray[np.float32], groups: int, axes: tuple[_Axis, _Axis]) -> NDArray[np.float32]:
    """Weight of shape (in, out / groups, height, width) -> (strides · out, in / groups, taps, taps)."""
    strides = [axis.stride for axis in axes]
    for axis, spatial in zip(axes, (2, 3), strict=True):
        widths = [(0, 0)] * 4
        widths[spatial] = (0, axis.taps * axis.stride - axis.kernel)
        weight = np.pad(weight, widths)
    count, out = weight.shape[0] // groups, weight.shape[1]
    rows, columns = (axis.taps for axis in axes)
    parts = weight.reshape(groups, count, out, rows, strides[0], columns, strides[1])
    # A convolution flips the kernel; the phases are the innermost output channels.
    turned = parts[..., ::-1, :, ::-1, :].transpose(0, 2, 4, 6, 1, 3, 5)
    return np.ascontiguousarray(turned.reshape(groups * out * strides[0] * strides[1], count, rows, columns))
