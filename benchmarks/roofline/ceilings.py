"""What this machine can do at most: operations a second of each runtime and precision, and bytes a second.

A peak is the fastest of a few large convolutions and matrix products, made into the precision by litho's own lowering
and run by litho's own runner, as its variants are. Bandwidth is the faster of STREAM's triad, a = b + s c (McCalpin
1995), and a matrix times a vector, which reads and hardly writes; over arrays of several sizes, because what fits into
a cache comes from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.json_documents import Document
from ...errors import LithoError
from ...export.passes import apply_passes
from ...export.precisions import Lowering, precision
from ...extras import require
from ...runners.base import runner_class
from ...signature import Signature
from ...signature.fields import Field, Role
from .work import OPERATIONS, work_of

if TYPE_CHECKING:
    import onnx

__all__ = [
    "KERNELS",
    "WORKING_SETS",
    "Bandwidth",
    "Ceilings",
    "Kernel",
    "Peak",
    "kernel_graph",
    "measure_bandwidths",
    "measure_peak",
    "torch_threads",
]

WORKING_SETS = tuple(1 << power for power in (19, 20, 21, 22, 23, 24, 25, 26, 28))
"""Bytes in use together at which bandwidth is measured; the last is far beyond any cache."""

_DEPTH = 4
"""Layers of a kernel, one after the other: what comes in and goes out is then a small part of its time."""

_READS, _WRITES = 2, 1
"""Arrays that a triad reads and writes."""


@dataclass(frozen=True)
class Kernel:
    """A chain of equal layers with ReLU between them.

    Args:
        channels: of the input and of every layer.
        side: height and width of a picture; 0 for a chain of matrix products.
        window: height and width of a convolution's kernel.
        batch: pictures, or rows of the matrix.
    """

    channels: int
    side: int
    window: int
    batch: int

    def __str__(self) -> str:
        if not self.side:
            return f"product {self.batch} x {self.channels} x {self.channels}"
        window = f"{self.window}x{self.window}"
        return (
            f"convolution {window}, {self.channels} channels of {self.side}x{self.side}, batch {self.batch}"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the input, without the batch axis."""
        return (self.channels, self.side, self.side) if self.side else (self.channels,)

    @property
    def operations(self) -> float:
        """Operations of one run."""
        taps = self.window**2 if self.side else 1
        return OPERATIONS * _DEPTH * self.batch * prod(self.shape) * self.channels * taps


KERNELS = (
    Kernel(1024, 0, 1, 512),
    Kernel(2048, 0, 1, 256),
    Kernel(128, 32, 3, 4),
    Kernel(256, 16, 3, 8),
    Kernel(256, 16, 1, 16),
)


class Peak(Document):
    """The most operations a second in a precision.

    Args:
        runtime: name of a runner.
        precision: that the layers compute in.
        per_second: operations, two for each multiply-add.
        source: the kernel that reached it.
    """

    runtime: str
    precision: str
    per_second: float
    source: str


class Bandwidth(Document):
    """The most bytes a second with a working set.

    Args:
        working_set: bytes in use together.
        per_second: bytes read and written.
        source: what moved them.
    """

    working_set: int
    per_second: float
    source: str


class Ceilings(Document):
    """Peaks and bandwidths of a machine.

    Args:
        threads: of each runtime.
        peaks: one for each runtime and precision.
        bandwidths: by working set, ascending; the last is main memory's.
    """

    threads: int
    peaks: tuple[Peak, ...]
    bandwidths: tuple[Bandwidth, ...]

    def peak(self, runtime: str, precision: str) -> Peak:
        """The peak of a runtime in a precision; what it lacks, it computes in FP32.

        Raises:
            LithoError: the runtime has no peak.
        """
        for wanted in (precision, "fp32"):
            for peak in self.peaks:
                if (peak.runtime, peak.precision) == (runtime, wanted):
                    return peak
        raise LithoError(f"no peak was measured for {precision} in {runtime}")

    def bandwidth(self, working_set: float) -> Bandwidth:
        """The best of what was measured with at least this working set: a smaller one is no slower."""
        fits = [one for one in self.bandwidths if one.working_set >= working_set]
        return max(fits or self.bandwidths[-1:], key=lambda one: one.per_second)

    @property
    def memory(self) -> Bandwidth:
        """Bandwidth of main memory."""
        return self.bandwidths[-1]


def measure_peak(
    runtime: str, name: str, threads: int, seconds: float, kernels: Sequence[Kernel] = KERNELS
) -> Peak | None:
    """The best rate of some kernels in a runtime and a precision; None if the runtime cannot compute in it.

    Args:
        runtime: "torch" or a runner of graphs.
        name: of the precision.
        threads: of the runtime.
        seconds: to run each kernel for.
        kernels: to run.
    """
    best: Peak | None = None
    for kernel in kernels:
        try:
            took = _seconds(runtime, name, kernel, threads, seconds)
        except LithoError:
            continue
        if best is None or kernel.operations / took > best.per_second:
            rate = kernel.operations / took
            best = Peak(runtime=runtime, precision=name, per_second=rate, source=str(kernel))
    return best


def _seconds(runtime: str, name: str, kernel: Kernel, threads: int, seconds: float) -> float:
    """The least seconds of a run of a kernel."""
    values = np.random.default_rng(0).standard_normal((kernel.batch, *kernel.shape), np.float32)
    if runtime == "torch":
        with torch_threads(threads):
            return _least_seconds(_torch_kernel(kernel, name, values), seconds)
    graph = kernel_graph(kernel, name, runtime)
    if not work_of(graph).operations.get(name):
        raise LithoError(f"{runtime} has no kernels in {name}")
    with runner_class(runtime).from_graph(graph, _signature(kernel), "cpu", threads) as runner:
        return _least_seconds(lambda: runner.run({"x": values}, check=False), seconds)


def kernel_graph(kernel: Kernel, name: str, runtime: str) -> bytes:
    """The ONNX file of a kernel in a precision, as a variant of it would be for a runtime."""
    graph = _fp32_graph(kernel).SerializeToString()
    lower, runner = precision(name), runner_class(runtime)
    values = np.random.default_rng(1).standard_normal((2, *kernel.shape), np.float32)
    calibration = [{"x": values}] if lower.calibrated else []
    made = lower.lower(Lowering(graph, frozenset(), calibration, runner.integers))
    return apply_passes(made, runner.passes)[0]


def _fp32_graph(kernel: Kernel) -> onnx.ModelProto:
    onnx = require("onnx", "export")
    helper, random = onnx.helper, np.random.default_rng(2)
    nodes, weights, value = [], [], "x"
    for number in range(_DEPTH):
        names = [f"{part}{number}" for part in ("weights", "product", "kept")]
        weights.append(onnx.numpy_helper.from_array(_weights(kernel, random), names[0]))
        if kernel.side:
            pads = [kernel.window // 2] * 4
            layer = helper.make_node(
                "Conv", [value, names[0]], [names[1]], name=f"layer{number}/Conv", pads=pads
            )
        else:
            layer = helper.make_node("MatMul", [value, names[0]], [names[1]], name=f"layer{number}/MatMul")
        nodes += [layer, helper.make_node("Relu", [names[1]], [names[2]], name=f"layer{number}/Relu")]
        value = names[2]
    axes = onnx.numpy_helper.from_array(np.arange(1, len(kernel.shape) + 1), "axes")
    nodes.append(helper.make_node("ReduceMax", [value, "axes"], ["y"], name="result/ReduceMax", keepdims=0))
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "kernel",
        [helper.make_tensor_value_info("x", float32, ["batch", *kernel.shape])],
        [helper.make_tensor_value_info("y", float32, ["batch"])],
        [*weights, axes],
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])


def _weights(kernel: Kernel, random: np.random.Generator) -> NDArray[np.float32]:
    taps = (kernel.window, kernel.window) if kernel.side else ()
    shape = (kernel.channels, kernel.channels, *taps)
    # With this spread the values neither die out nor grow from layer to layer (He et al. 2015).
    spread = np.float32((2 / (kernel.channels * prod(taps))) ** 0.5)
    return random.standard_normal(shape, np.float32) * spread


def _signature(kernel: Kernel) -> Signature:
    return Signature(
        inputs=(Field(name="x", role=Role.SAMPLE, dtype="FP32", shape=kernel.shape),),
        output=Field(name="y", role=Role.SAMPLE, dtype="FP32"),
    )


def _torch_kernel(kernel: Kernel, name: str, values: NDArray[np.float32]) -> Callable[[], Any]:
    torch = require("torch", "train")
    if name not in ("fp32", "bf16"):
        raise LithoError(f"torch has no kernels in {name}")
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[name]
    layout = torch.channels_last if kernel.side and name == "bf16" else torch.contiguous_format
    given = torch.from_numpy(values).to(kind).contiguous(memory_format=layout)
    random = np.random.default_rng(2)
    weights = [
        torch.from_numpy(_weights(kernel, random)).to(kind).contiguous(memory_format=layout)
        for _ in range(_DEPTH)
    ]

    def run() -> Any:
        value = given
        with torch.inference_mode():
            for one in weights:
                value = (
                    torch.conv2d(value, one, padding=kernel.window // 2) if kernel.side else value @ one
                ).relu_()
        return value

    return run


def measure_bandwidths(
    threads: int, seconds: float, working_sets: Sequence[int] = WORKING_SETS
) -> tuple[Bandwidth, ...]:
    """The better of both ways to move bytes, for each working set.

    Args:
        threads: that share an array.
        seconds: to move each working set for, in each way.
        working_sets: bytes, ascending.
    """
    torch = require("torch", "train")
    found = []
    with torch_threads(threads), torch.inference_mode():
        for size in working_sets:
            rates = {
                name: moved / _least_seconds(move, seconds) for name, (move, moved) in _moves(size).items()
            }
            source = max(rates, key=rates.__getitem__)
            found.append(Bandwidth(working_set=size, per_second=rates[source], source=source))
    return tuple(found)


def _moves(size: int) -> Mapping[str, tuple[Callable[[], Any], float]]:
    """Name -> moves a working set, and the bytes that it moves."""
    torch = require("torch", "train")
    item = 4
    count = size // item // (_READS + _WRITES)
    a, b, c = (torch.ones(count) for _ in range(_READS + _WRITES))
    side = int((size / item) ** 0.5)
    matrix, vector, result = torch.ones(side, side), torch.ones(side), torch.empty(side)
    return {
        "triad": (lambda: torch.add(b, c, alpha=3.0, out=a), float(count * item * (_READS + _WRITES))),
        "matrix times vector": (
            lambda: torch.mv(matrix, vector, out=result),
            float((side * side + 2 * side) * item),
        ),
    }


def _least_seconds(run: Callable[[], Any], seconds: float) -> float:
    """Time of the fastest of the runs within some seconds, of at least three; one before them is not counted."""
    run()
    best, runs, begun = float("inf"), 0, time.perf_counter()
    while runs < 3 or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        run()
        best, runs = min(best, time.perf_counter() - start), runs + 1
    return best


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch share an operator among so many threads."""
    torch = require("torch", "train")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
