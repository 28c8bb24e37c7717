"""ONNX graphs in ONNX Runtime, on a CPU, or on an NVIDIA GPU with its providers for CUDA and TensorRT.

On a GPU, each shape of a batch keeps its buffers, and its launches are captured as a CUDA graph. A batch is filled up
to one of a few sizes, so that the batches that a server forms are soon all captured: a new shape costs cuDNN's search
for algorithms, and one that is not captured costs several times the time of a captured one. Tests without a GPU run
the same code with buffers on the host.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.external_graph import ExternalGraph
from ..errors import DeviceError, LithoError, MissingExtra
from ..extras import require
from ..signature import Signature
from . import base
from ._graph_options import ELEMENT, OPTIMIZATION, graph_option
from ._memory import return_unused_memory

__all__ = ["BOUND_SHAPES", "Runner", "give_weights", "run_unoptimised"]

BOUND_SHAPES = 12
"""Number of batch shapes that keep buffers and, on a GPU, a captured graph; further shapes have neither."""

_LEVELS = {"extended": "ORT_ENABLE_EXTENDED", "basic": "ORT_ENABLE_BASIC", "disabled": "ORT_DISABLE_ALL"}
"""`litho.optimization` in the metadata of a graph -> optimisation level of the session; the highest without it."""

_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
"""Device -> providers in order of preference; the CPU computes what none of them supports."""

_NO_CAPTURE = "-1"

_LACKS = ("NOT_IMPLEMENTED", "Provider type for", "Please install")
"""Words of a refusal for which the device, and not the graph, is the cause: no kernel of an operator, no library."""

_Shapes = tuple[tuple[int, ...], ...]
"""Shapes of all inputs, in the signature's order, with the batch axis in front."""


class Runner(base.Runner):
    """Runs an ONNX graph.

    Args:
        model: content of the ONNX file. Weights beside it are read from an `ExternalGraph` alone, whose files were
            checked, and never from the disk.
        signature: inputs and output of the graph.
        device: "cpu"; "cuda" or "tensorrt" for that provider on the first GPU, "cuda:1" for the second GPU.
        threads: threads that share one operator; by default one on each core.
        bound: keep buffers per batch shape and run one batch at a time; by default on a GPU.
    """

    name = "onnxruntime"
    title = "ONNX Runtime"
    extra = "cpu"
    packages = ("onnxruntime", "onnxruntime-gpu")
    devices = tuple(_PROVIDERS)
    order = 0
    runs_graphs = True
    levels = tuple(_LEVELS)
    integers = base.Integers(unsigned=True, between=True)
    threaded = True
    filled = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)  # beyond the last, its multiples

    def __init__(
        self,
        model: bytes,
        signature: Signature,
        device: str = "cpu",
        *,
        threads: int | None = None,
        bound: bool | None = None,
    ) -> None:
        self._threads = base.thread_count(threads)
        # ONNX Runtime reads it while it is loaded.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        self._runtime = require("onnxruntime", self.extra)
        kind, number = base.parse_device(device, self.title, self.devices)
        _check_providers(kind, self._runtime.get_available_providers())
        super().__init__(signature, f"ONNX Runtime {self._runtime.__version__} on {device}")
        self._session = self._open(model, kind, number, captures=kind != "cpu")
        return_unused_memory()
        self._buffers: _Buffers | None = None
        # Kept until the first run has been captured.
        self._without_capture: Callable[[], Any] | None = (
            None if kind == "cpu" else lambda: self._open(model, kind, number, captures=False)
        )
        if kind != "cpu" if bound is None else bound:
            memory = "cpu" if kind == "cpu" else "cuda"
            self._buffers = _Buffers(self._runtime, self._session, signature, memory, number)

    def _open(self, model: bytes, kind: str, number: int, *, captures: bool) -> Any:
        if kind != "cpu":
            _load_cuda(self._runtime)
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        # A spinning worker would take a core from the server's transport.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        level = graph_option(model, OPTIMIZATION, tuple(_LEVELS))
        if graph_option(model, ELEMENT) == "FLOAT8E4M3FN":
            # Its fusions of quantized layers expect 8-bit integers: with 8-bit floats they fail or miscompute.
            options.add_session_config_entry("session.disable_quant_qdq", "1")
            level = "disabled" if level == "disabled" else "basic"
        if level is not None:
            levels = self._runtime.GraphOptimizationLevel
            options.graph_optimization_level = getattr(levels, _LEVELS[level])
        weights = give_weights(self._runtime, options, model)
        try:
            session = self._runtime.InferenceSession(
                model,
                options,
                providers=_providers(kind, number, captures=captures),
                enable_fallback=0,  # to another provider: it would print that on standard output
            )
        except Exception as error:
            if captures:  # a graph with nodes on the CPU cannot be captured
                return self._open(model, kind, number, captures=False)
            # "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : what it means"
            said = str(error).splitlines()[0]
            reason = f"ONNX Runtime refuses the graph: {said.split(' : ', 3)[-1]}"
            # The graph is valid, but the device has no kernel for its precision.
            lacking = any(mark in said for mark in _LACKS)
            raise (DeviceError if lacking else LithoError)(reason) from error
        del weights
        # It keeps them to change its providers, which nothing here does.
        session._model_bytes = None
        _check_loaded(_PROVIDERS[kind], session.get_providers(), self._runtime)
        return session

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        try:
            if self._buffers is None:
                (images,) = self._session.run([self.signature.output.name], inputs)
                return images
            return self._run_bound(self._buffers, inputs)
        except Exception as error:
            raise LithoError(f"{self.description} failed: {str(error).splitlines()[0]}") from error

    def _run_bound(self, buffers: _Buffers, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        try:
            images = buffers.run(inputs)
        except Exception:
            if self._without_capture is None:
                raise
            # Capturing failed: launch kernel by kernel.
            self._session, self._without_capture = self._without_capture(), None
            buffers.restart(self._session)
            images = buffers.run(inputs)
        self._without_capture = None  # frees the graph's content
        return images


def run_unoptimised(
    graph: bytes, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Run a graph once as it is written: on a CPU, without optimisation.

    Args:
        graph: content of an ONNX file.
        outputs: names of its outputs.
        inputs: name -> array; those that the graph does not take are left out.

    Returns:
        Name of each output -> array.
    """
    runtime = require("onnxruntime", Runner.extra)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = base.thread_count(None), 4
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    weights = give_weights(runtime, options, graph)
    session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    del weights
    given = {entry.name: inputs[entry.name] for entry in session.get_inputs()}
    return dict(zip(outputs, session.run(list(outputs), given), strict=True))


def give_weights(runtime: Any, options: Any, graph: bytes) -> list[NDArray[np.uint8]]:
    """Let a session take the weights beside a graph from its files, and from nowhere else.

    Returns:
        The files, which have to be there until the session is open.

    Raises:
        LithoError: this ONNX Runtime is too old for that.
    """
    weights = graph.weights if isinstance(graph, ExternalGraph) else {}
    if not hasattr(options, "add_external_initializers_from_files_in_memory"):
        if weights:
            raise LithoError(
                f"ONNX Runtime {runtime.__version__} cannot open a graph with its weights beside it; upgrade with:"
                " pip install --upgrade onnxruntime"
            )
        return []
    # The entry without a name is there for a graph without weights beside it: with an empty list, ONNX Runtime would
    # look for what the graph names in the current directory, where no hash covers it.
    buffers: dict[str, Any] = {"": np.zeros(1, np.uint8)}
    for name, one in weights.items():
        buffers[name] = (
            np.memmap(one, np.uint8, "r") if isinstance(one, Path) else np.frombuffer(one, np.uint8)
        )
    options.add_external_initializers_from_files_in_memory(
        list(buffers), list(buffers.values()), [one.nbytes for one in buffers.values()]
    )
    return list(buffers.values())


@dataclass(frozen=True)
class _Binding:
    """Buffers of one batch shape, bound to inputs and output.

    Args:
        bound: `onnxruntime.IOBinding`.
        inputs: name -> `onnxruntime.OrtValue`.
        output: `onnxruntime.OrtValue`.
        options: `onnxruntime.RunOptions` with the number of the captured graph.
    """

    bound: Any
    inputs: dict[str, Any]
    output: Any
    options: Any


class _Buffers:
    """Runs a session with buffers that keep their addresses for all batches of one shape.

    Args:
        runtime: the module `onnxruntime`.
        session: `onnxruntime.InferenceSession`.
        signature: inputs and output of the graph.
        memory: "cpu" or "cuda".
        number: number of the GPU.
    """

    def __init__(self, runtime: Any, session: Any, signature: Signature, memory: str, number: int) -> None:
        self._runtime, self._session, self._signature = runtime, session, signature
        self._device = (memory, number)
        self._bindings: dict[_Shapes, _Binding] = {}
        self._lock = threading.Lock()  # the buffers hold one batch

    def restart(self, session: Any) -> None:
        """Continue with another session of the same graph."""
        self._session = session
        self._bindings.clear()

    def run(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Checked inputs -> the output."""
        batch = len(next(iter(inputs.values())))
        inputs = {name: _filled(values) for name, values in inputs.items()}
        with self._lock:
            binding = self._binding(inputs)
            for name, value in binding.inputs.items():
                value.update_inplace(np.ascontiguousarray(inputs[name]))
            self._session.run_with_iobinding(binding.bound, binding.options)
            # A copy: the next batch of this shape overwrites the buffer.
            return np.array(binding.output.numpy()[:batch])

    def _binding(self, inputs: dict[str, NDArray[Any]]) -> _Binding:
        shapes = tuple(inputs[field.name].shape for field in self._signature.inputs)
        if shapes in self._bindings:
            return self._bindings[shapes]
        kept = len(self._bindings) < BOUND_SHAPES
        binding = self._bind(inputs, str(len(self._bindings) + 1) if kept else _NO_CAPTURE)
        if kept:
            self._bindings[shapes] = binding
        return binding

    def _bind(self, inputs: dict[str, NDArray[Any]], number: str) -> _Binding:
        allocate = self._runtime.OrtValue.ortvalue_from_shape_and_type
        field = self._signature.output
        values = {
            given.name: allocate(inputs[given.name].shape, given.numpy_dtype.type, *self._device)
            for given in self._signature.inputs
        }
        output = allocate(self._signature.output_shape(inputs), field.numpy_dtype.type, *self._device)
        bound, options = self._session.io_binding(), self._runtime.RunOptions()
        for name, value in values.items():
            bound.bind_ortvalue_input(name, value)
        bound.bind_ortvalue_output(field.name, output)
        options.add_run_config_entry("gpu_graph_id", number)
        return _Binding(bound, values, output, options)


def _filled(values: NDArray[Any]) -> NDArray[Any]:
    """Values of a batch, the last of them repeated up to the next size of `Runner.filled`."""
    batch, largest = len(values), Runner.filled[-1]
    size = next((size for size in Runner.filled if size >= batch), -(-batch // largest) * largest)
    return values if size == batch else np.concatenate([values, np.repeat(values[-1:], size - batch, axis=0)])


def _providers(kind: str, number: int, *, captures: bool) -> list[Any]:
    if kind == "cpu":
        return list(_PROVIDERS[kind])
    if kind == "tensorrt":
        # The provider has no option for TF32; CUDA's libraries read this variable while they are loaded.
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    given = {
        # By default FP32 products are rounded to TF32, which changes the picture.
        "CUDAExecutionProvider": {"use_tf32": "0", "enable_cuda_graph": str(int(captures))},
        "TensorrtExecutionProvider": {"trt_cuda_graph_enable": str(int(captures))},
    }
    return [(name, {"device_id": str(number), **given[name]}) for name in _PROVIDERS[kind]]


@cache
def _load_cuda(runtime: Any) -> str:
    """Load the CUDA libraries that pip installed, which the loader would not find; returns the first missing one."""
    runtime.set_default_logger_severity(4)  # of what fails, `_check_loaded` says one line
    with redirect_stdout(StringIO()) as printed:
        runtime.preload_dlls()
    # "Failed to load libcublas.so.13: why"
    missing = re.search(r"Failed to load ([^:\n]+)", printed.getvalue())
    return missing[1] if missing else ""


def _check_loaded(wanted: Sequence[str], loaded: Sequence[str], runtime: Any) -> None:
    """Refuse a session that lacks a provider: ONNX Runtime would run on the CPU and only log a warning."""
    for provider in wanted:
        if provider not in loaded:
            missing = _load_cuda(runtime) or "its GPU, its driver or one of its libraries"
            raise DeviceError(
                f"ONNX Runtime did not find {missing}, so it has no {provider} and would run on the CPU; it needs an"
                f" NVIDIA driver, CUDA {runtime.cuda_version} and cuDNN 9: pip install 'litho[gpu]'"
            )


def _check_providers(kind: str, available: list[str]) -> None:
    for provider in _PROVIDERS[kind]:
        if provider not in available:
            found = f"this ONNX Runtime has no {provider} (it has: {', '.join(available)})"
            raise MissingExtra("onnxruntime-gpu", "gpu", found)
