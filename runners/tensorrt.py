"""Engines of TensorRT on an NVIDIA GPU, and base of the runner of TensorRT-RTX; without torch.

Buffers are allocated once, for the largest batch; those of the host are pinned. Copies and kernels are queued on the
runner's own stream. When a batch shape comes for the second time, TensorRT's launches are captured as a CUDA graph. An
execution context must not change after its launches are captured, so every captured shape has its own context, and
only a few shapes do. TensorRT-RTX captures graphs itself.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..bundle.engine_record import (
    EngineRecord,
    Machine,
    choose_profile,
    refuse_other_machine,
    this_system,
)
from ..bundle.manifest import Variant
from ..errors import BundleError, DeviceError, LithoError, UsageError
from ..extras import require
from ..signature import Signature
from ..signature.fields import Field
from . import base
from ._cuda import Gpu, find_device

__all__ = ["Runner"]

CAPTURED_BATCHES = 4
"""Number of batch shapes that keep a captured graph; each holds the memory of an execution context."""

_Shapes = tuple[tuple[int, ...], ...]
"""Shapes of all inputs, in the signature's order, with the batch axis in front."""


class Runner(base.Runner):
    """Runs an engine.

    Args:
        engine: content of the engine's file.
        record: its record in the manifest; an engine of another machine is refused before the library opens it.
        signature: signature of the graph that it was built from.
        title: name of the engine, for messages.
        number: number of the GPU.
        graph: content of the ONNX file with the weights of a stripped engine.

    Raises:
        MissingExtra: the library or the driver's bindings are not installed.
        DeviceError: there is no GPU, or the engine was built for another machine.
        BundleError: the library refuses the engine, or its inputs and output are not those of the signature.
    """

    name = "tensorrt"
    passes = ("explicit_int8", "remainders")
    library: ClassVar[base.Library | None] = base.Library(
        "TensorRT", "tensorrt", "gpu", "plan", ahead_of_time=False, compatible=True, keeps_timings=True
    )
    title = library.title
    extra = library.extra
    packages = ("tensorrt",)
    devices = ("cuda",)
    order = 10

    def __init__(
        self,
        engine: bytes,
        record: EngineRecord,
        signature: Signature,
        title: str = "engine",
        number: int = 0,
        graph: bytes | None = None,
    ) -> None:
        if record.library != self.name:
            raise UsageError(f"engine {title} is for the runner {record.library!r}, not {self.name!r}")
        # Find the driver first: without one, importing the library may fail.
        device = find_device(self.extra, number)
        trt: Any = require(base.library_of(self.name).module, self.extra)
        refuse_other_machine(
            title, record, Machine(self.title, trt.__version__, device.target, device.name, this_system())
        )
        super().__init__(signature, f"{self.title} {trt.__version__} on {device.name}")
        self._trt, self._record = trt, record
        self._gpu = Gpu(device, self.extra)
        self._engine: Any = None
        self._context: Any = None
        try:
            self._log = _log(trt)
            self._engine = self._open(engine, graph, title)
            self._refuse_other_signature(title)
            self._inputs = {field.name: self._buffer(field) for field in signature.inputs}
            self._output = self._buffer(signature.output)
            self._context = self._new_context()
        except BaseException:
            self._release()
            raise
        # TensorRT-RTX captures on its own, see `_new_context`.
        self._captures = not hasattr(trt, "CudaGraphStrategy")
        self._seen: set[_Shapes] = set()
        self._captured: OrderedDict[_Shapes, tuple[Any, Any]] = OrderedDict()

    @classmethod
    def from_variant(cls, bundle: Bundle, variant: Variant, device: str, threads: int | None = None) -> Self:
        """Open an engine of a bundle.

        Args:
            bundle: that was loaded.
            variant: a variant with an engine of this library.
            device: "cuda" or "cuda:1" for a certain GPU; "cpu", the default elsewhere, is the first GPU too.
            threads: an engine has none on the CPU.
        """
        if variant.engine is None:
            raise DeviceError(
                f"engine {variant.name} is not built yet; on the machine with the GPU, run"
                f" litho build-engine {bundle.path}"
            )
        graph = bundle.read(_graph_of(bundle, variant)) if variant.engine.stripped else None
        signature = bundle.stage(variant.stage).signature
        content = bundle.read(variant.file)
        return cls(
            content,
            variant.engine,
            signature,
            variant.name,
            base.parse_device(device, "an engine", ("cpu", "cuda"))[1],
            graph,
        )

    def close(self) -> None:
        """Release the engine and all memory on the GPU; closing twice is fine."""
        if self._engine is None:
            return
        self._gpu.make_current()
        while self._captured:
            self._gpu.forget(self._captured.popitem()[1][1])
        self._release()

    def _release(self) -> None:
        # Order: execution context, engine, runtime, GPU context.
        self._context = None
        self._engine = None
        self._runtime = None
        self._inputs = {}
        self._gpu.close()

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        shapes = tuple(inputs[field.name].shape for field in self.signature.inputs)
        profile = choose_profile(self._record.profiles, shapes[0][0])
        self._gpu.make_current()
        for name, array in inputs.items():
            pointer, host = self._inputs[name]
            filled = host[: array.size].reshape(array.shape)
            np.copyto(filled, array)
            self._gpu.upload(filled, pointer)
        if (graph := self._graph(shapes, profile)) is not None:
            self._gpu.launch(graph)
        else:
            self._launch(self._context, shapes, profile)
        pointer, host = self._output
        shape = self.signature.output_shape(inputs)
        made = host[: math.prod(shape)].reshape(shape)
        self._gpu.download(pointer, made)
        self._gpu.wait()
        return made.copy()

    def _launch(self, context: Any, shapes: _Shapes, profile: int) -> None:
        self._prepare(context, shapes, profile)
        self._enqueue(context)

    def _prepare(self, context: Any, shapes: _Shapes, profile: int) -> None:
        """Set the shapes and addresses of all tensors of an execution context."""
        if context.active_optimization_profile != profile:
            if not context.set_optimization_profile_async(profile, self._gpu.stream):
                raise LithoError(f"{self.description} refuses profile {profile}: {self._log.last_error}")
            self._gpu.wait()
        for field, shape in zip(self.signature.inputs, shapes, strict=True):
            if not context.set_input_shape(field.name, shape):
                raise LithoError(
                    f"{self.description} refuses {field.name!r} of shape {shape}: {self._log.last_error}"
                )
            context.set_tensor_address(field.name, self._inputs[field.name][0])
        context.set_tensor_address(self.signature.output.name, self._output[0])

    def _enqueue(self, context: Any) -> None:
        if not context.execute_async_v3(self._gpu.stream):
            raise LithoError(f"{self.description} failed: {self._log.last_error}")

    def _graph(self, shapes: _Shapes, profile: int) -> Any:
        """The captured graph of a batch shape; None for a shape that comes for the first time."""
        if shapes in self._captured:
            self._captured.move_to_end(shapes)
            return self._captured[shapes][1]
        if shapes not in self._seen or not self._captures:
            self._seen.add(shapes)
            return None
        context = self._new_context()
        # The first launch of a new shape does extra work; only later ones can be captured.
        self._launch(context, shapes, profile)
        self._gpu.wait()
        try:
            graph = self._gpu.capture(lambda: self._enqueue(context))
        except LithoError:
            self._captures = False  # an engine that waits for the host is launched kernel by kernel
            return None
        self._captured[shapes] = (context, graph)
        if len(self._captured) > CAPTURED_BATCHES:
            _, (_, oldest) = self._captured.popitem(last=False)
            self._gpu.forget(oldest)
        return graph

    def _new_context(self) -> Any:
        if not hasattr(self._trt, "CudaGraphStrategy"):
            context = self._engine.create_execution_context()
        else:
            config = self._engine.create_runtime_config()
            config.cuda_graph_strategy = self._trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            # Without this, kernels are replaced at run time, and one seed may give two pictures.
            strategies = self._trt.DynamicShapesKernelSpecializationStrategy
            config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
            context = self._engine.create_execution_context(config)
        if context is None:
            raise LithoError(
                f"{self.description} has too little memory for the engine: {self._log.last_error}"
            )
        return context

    def _open(self, content: bytes, graph: bytes | None, title: str) -> Any:
        trt = self._trt
        self._runtime: Any = trt.Runtime(self._log)
        # A version-compatible engine contains host code; its hash was compared with the manifest's.
        self._runtime.engine_host_code_allowed = self._record.version_compatible
        engine = self._runtime.deserialize_cuda_engine(content)
        if engine is None:
            raise BundleError(f"{self.description} refuses engine {title}: {self._log.last_error}")
        if self._record.stripped:
            if graph is None:
                raise UsageError(f"engine {title} has no weights; pass the graph that it was built from")
            refitter = trt.Refitter(engine, self._log)
            if (
                not trt.OnnxParserRefitter(refitter, self._log).refit_from_bytes(graph)
                or not refitter.refit_cuda_engine()
            ):
                raise BundleError(
                    f"the weights cannot be put back into engine {title}: {self._log.last_error}"
                )
        return engine

    def _refuse_other_signature(self, title: str) -> None:
        trt, engine = self._trt, self._engine
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        have = {name: np.dtype(trt.nptype(engine.get_tensor_dtype(name))) for name in names}
        fields = (*self.signature.inputs, self.signature.output)
        want = {field.name: np.dtype(field.numpy_dtype) for field in fields}
        if have != want:
            words = [
                ", ".join(f"{name} {kind}" for name, kind in sorted(side.items())) for side in (have, want)
            ]
            raise BundleError(f"engine {title} has the tensors {words[0]}; the signature has {words[1]}")

    def _buffer(self, field: Field) -> tuple[int, NDArray[Any]]:
        """Memory on the GPU, and a pinned vector on the host, for the largest batch of the largest shape."""
        batch = max(most for _, _, most in self._record.profiles)
        host = self._gpu.pinned((batch * math.prod(field.extreme_shapes[1]),), field.numpy_dtype)
        return self._gpu.allocate(host.nbytes), host


def _graph_of(bundle: Bundle, variant: Variant) -> str:
    if (own := f"{variant.file}.onnx") in bundle.manifest.files:
        return own
    for other in bundle.manifest.variants:
        if (other.stage, other.precision, other.runtime) == (variant.stage, variant.precision, "onnxruntime"):
            return other.file
    raise BundleError(f"engine {variant.name} has no weights, and {bundle.path} does not hold its graph")


def _log(trt: Any) -> Any:
    class Log(trt.ILogger):
        """Keeps the last error instead of printing."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = "no reason given"

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.last_error = message.splitlines()[0]

    return Log()
