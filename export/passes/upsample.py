"""Replace nearest-neighbour upsampling and a convolution by a smaller convolution and depth-to-space, if faster.

Upsampling repeats pixels, so that several taps of the kernel read the same one: their weights are summed. A 3x3 kernel
after doubling has 2x2 taps in each of the four sub-pixel phases: 16 multiplications instead of 36. Depth-to-space
moves every output once more, which costs more than it saves with many outputs and few inputs: see
`_INPUTS_PER_OUTPUT`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._editing import Editor, constant, crop, integers, nodes_of

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply", "at_any_ratio"]

SUMMARY = "nearest upsampling + convolution -> sub-pixel convolution"
ORDER = 30
DEFAULT = True


_INPUTS_PER_OUTPUT = ContextVar("_INPUTS_PER_OUTPUT", default=8)
"""Smallest number of input channels per output channel at which no measurement was slower (docs/passes.md): ONNX
Runtime and OpenVINO on a CPU, in FP32 and BF16. With four, OpenVINO was slower."""

_REPEATING = {
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
}
"""Coordinate and rounding modes of Resize that repeat every pixel equally often at integer scales."""


@contextmanager
def at_any_ratio() -> Iterator[None]:
    """Replace layers of every ratio of channels meanwhile: `benchmarks.passes` measures where the pass loses."""
    token = _INPUTS_PER_OUTPUT.set(0)
    try:
        yield
    finally:
        _INPUTS_PER_OUTPUT.reset(token)


@dataclass(frozen=True)
class _Axis:
    """One spatial axis of an upsampling by `scale` followed by a convolution of stride 1.

    Args:
        scale: number of copies of each pixel.
        kernel: number of taps of the convolution.
        before, after: its padding, in pixels.
        shift: pixels that the result is shifted by and cropped again, chosen for the fewest taps.
    """

    scale: int
    kernel: int
    before: int
    after: int
    shift: int

    def offset(self, phase: int, tap: int) -> int:
        """The input pixel that a tap of a sub-pixel phase reads, relative to the pixel below the phase."""
        return (phase - self.shift + tap - self.before) // self.scale

    @property
    def taps(self) -> int:
        """Number of taps of the smaller convolution."""
        return self.offset(self.scale - 1, self.kernel - 1) - self.offset(0, 0) + 1

    @property
    def growth(self) -> int:
        """Pixels that the result has more than the upsampled picture."""
        return self.before + self.after - self.kernel + 1

    @property
    def padding(self) -> tuple[int, int]:
        """Padding of the smaller convolution, before and after."""
        more = (self.growth - 1 + self.shift) // self.scale + 1
        before = -self.offset(0, 0)
        return before, more + self.taps - 1 - before

    @property
    def crop(self) -> tuple[int, int]:
        """Pixels to crop, before and after."""
        more = (self.growth - 1 + self.shift) // self.scale + 1
        return self.shift, more * self.scale - self.shift - self.growth


def apply(model: ir.Model) -> int:
    """Replace every convolution of an upsampled picture that has far fewer output channels, if it saves taps.

    The upsampled picture stays if other nodes read it too.

    Returns:
        How many were replaced.
    """
    return sum(_replace(Editor(model, node)) for node in nodes_of(model, "Conv"))


def _replace(edit: Editor) -> bool:
    node = edit.node
    weight, resize = constant(node.inputs[1]), node.inputs[0].producer() if node.inputs[0] else None
    scale = None if resize is None else _scale(resize)
    axes = None if scale is None or weight is None else _axes(node, weight, scale)
    if weight is None or resize is None or axes is None or not scale:
        return False
    inputs = [resize.inputs[0], edit.constant("weight", _interleaved(weight, axes))]
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = constant(node.inputs[2])
        if bias is None:
            return False
        inputs.append(edit.constant("bias", np.repeat(bias, scale**2)))
    (top, bottom), (left, right) = (axis.padding for axis in axes)
    made = edit.op(
        "Conv",
        inputs,
        kernel_shape=[axis.taps for axis in axes],
        pads=[top, left, bottom, right],
        strides=[1, 1],
        group=node.attributes.get_int("group", 1),
    )
    interleaved = edit.op("DepthToSpace", [made], blocksize=scale, mode="CRD")
    edit.finish(crop(edit, interleaved, [axis.crop for axis in axes]))
    return True


def _scale(node: ir.Node) -> int | None:
    """The integer scale of a Resize that repeats pixels equally in both directions; None for any other node."""
    if node.op_type != "Resize" or node.attributes.get_string("mode", "nearest") != "nearest":
        return None
    coordinates = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if (coordinates, node.attributes.get_string("nearest_mode", "round_prefer_floor")) not in _REPEATING:
        return None
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if scales is None or scales.shape != (4,) or tuple(scales[:2]) != (1, 1) or scales[2] != scales[3]:
        return None
    return int(scales[2]) if scales[2] == int(scales[2]) and scales[2] > 1 else None


def _axes(node: ir.Node, weight: NDArray[np.float32], scale: int) -> tuple[_Axis, _Axis] | None:
    groups = node.attributes.get_int("group", 1)
    plain = (
        weight.ndim == 4
        and weight.shape[1] * groups >= _INPUTS_PER_OUTPUT.get() * weight.shape[0]
        and node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
        and set(integers(node, "strides", (1, 1))) == {1}
        and set(integers(node, "dilations", (1, 1))) == {1}
    )
    if not plain:
        return None
    pads = integers(node, "pads", (0, 0, 0, 0))
    first, second = (
        min(
            (
                _Axis(scale, weight.shape[2 + axis], pads[axis], pads[2 + axis], shift)
                for shift in range(scale)
            ),
            key=lambda axis: axis.taps,
        )
        for axis in (0, 1)
    )
    possible = all(min(*axis.padding, *axis.crop) >= 0 for axis in (first, second))
    saves = first.taps * second.taps < weight.shape[2] * weight.shape[3]
    return (first, second) if possible and saves else None


def _interleaved(weight: NDArray[np.float32], axes: tuple[_Axis, _Axis]) -> NDArray[np.float32]:
    """Weight of shape (out, in, height, width) -> (scale² · out, in, taps, taps)."""
    out, count = weight.shape[:2]
    scale, (rows, columns) = axes[0].scale, (axis.taps for axis in axes)
    # FP64: a sum of weights is rounded only once.
    parts = np.zeros((out, scale, scale, count, rows, columns))
    for row, column in np.ndindex(scale, scale):
        for tap, other in np.ndindex(*weight.shape[2:]):
            y = axes[0].offset(row, tap) - axes[0].offset(0, 0)
            x = axes[1].offset(column, other) - axes[1].offset(0, 0)
            parts[:, row, column, :, y, x] += weight[:, :, tap, other]
    return parts.reshape(out * scale**2, count, rows, columns).astype(np.float32)
