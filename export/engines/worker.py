"""The process that builds one engine: it reads a job from standard input and writes the outcome to its output."""

from __future__ import annotations

import ctypes
import os
import pickle
import re
import signal
import sys
import warnings
from dataclasses import dataclass
from typing import IO, Any

from ...errors import ExportError
from ...extras import require
from ...runners.base import library_of
from .options import EngineOptions
from .readback import NODES, ReadBack, layers_of_json, layers_of_log, read_back

__all__ = ["Job", "Outcome", "main"]

_PRODUCTS = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY", "EINSUM")
"""Layers of a parsed network whose precision is checked."""

_TYPES = {
    "FLOAT": "fp32",
    "HALF": "fp16",
    "BF16": "bf16",
    "INT8": "int8",
    "FP8": "fp8",
    "INT4": "int4",
    "FP4": "fp4",
}
"""TensorRT's types of arithmetic -> precisions."""

_VOLATILE = re.compile(r"\d+(?:\.\d+)? ?(?=ms|seconds|MiB)")
"""Times and memory sizes in a message, which differ between two builds."""

_SIGKILL_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


@dataclass(frozen=True)
class Job:
    """The engine to build.

    Args:
        runtime: name of a runner with engines.
        graph: content of the ONNX file.
        inputs: name of each input, and its smallest, usual and largest shape, without the batch.
        target: compute capability, for example "sm86".
        options: of the builder.
    """

    runtime: str
    graph: bytes
    inputs: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]
    target: str
    options: EngineOptions


@dataclass(frozen=True)
class Outcome:
    """The built engine.

    Args:
        engine: the serialised engine.
        version: of the library.
        read: its layers and their precisions.
        log: the library's messages without timings.
        timing_cache: at the end of the build; None for a library without one.
    """

    engine: bytes
    version: str
    read: ReadBack
    log: str
    timing_cache: bytes | None


def _build(job: Job, channel: IO[bytes]) -> Outcome:
    library = library_of(job.runtime)
    trt: Any = require(library.module, library.extra)
    log = _log(trt)
    builder = trt.Builder(log)
    network = _network(trt, builder, log, job, library.title)
    config = _config(trt, builder, job)
    config.progress_monitor = monitor = _monitor(trt, channel)
    cache = _start_timings(config, job.options) if library.keeps_timings else None
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        reason = log.first_error or "it gave no reason"
        raise ExportError(f"{library.title} built no engine for {job.target}: {reason}")
    del monitor
    content = bytes(engine)
    source, layers = (
        ("builder", layers_of_log(log.layers)) if library.ahead_of_time else _inspect(trt, log, content)
    )
    return Outcome(
        content,
        trt.__version__,
        read_back(source, layers, _products(network)),
        "\n".join(log.lines) + "\n",
        bytes(cache.serialize()) if cache is not None else None,
    )


def _network(trt: Any, builder: Any, log: Any, job: Job, title: str) -> Any:
    # By name: its number differs between versions, and the newest have no other kind of network.
    strongly = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if strongly is None else 1 << int(strongly))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(job.graph):
        error = parser.get_error(0)
        raise ExportError(f"{title} cannot parse the graph: {error.desc()} (node {error.node_name()!r})")
    return network


def _config(trt: Any, builder: Any, job: Job) -> Any:
    config, options = builder.create_builder_config(), job.options
    flags = {
        trt.BuilderFlag.TF32: options.tf32,
        trt.BuilderFlag.VERSION_COMPATIBLE: options.version_compatible,
        trt.BuilderFlag.STRIP_PLAN: options.strip_weights,
    }
    for flag, wanted in flags.items():
        (config.set_flag if wanted else config.clear_flag)(flag)
    if options.hardware_compatible != "none":
        config.hardware_compatibility_level = {
            "same-capability": trt.HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY,
            "ampere-and-later": trt.HardwareCompatibilityLevel.AMPERE_PLUS,
        }[options.hardware_compatible]
    if options.workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if library_of(job.runtime).ahead_of_time:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, job.target.upper()), 0)
    for batches in options.profiles:
        profile = builder.create_optimization_profile()
        for name, shapes in job.inputs:
            profile.set_shape(name, *((batch, *shape) for batch, shape in zip(batches, shapes, strict=True)))
        config.add_optimization_profile(profile)
    return config


def _start_timings(config: Any, options: EngineOptions) -> Any:
    cache = config.create_timing_cache(options.timing_cache or b"")
    if cache is None or not config.set_timing_cache(cache, False):
        raise ExportError("the timing cache was made on another GPU or by another version; build without it")
    return cache


def _inspect(trt: Any, log: Any, engine: bytes) -> tuple[Any, Any]:
    runtime = trt.Runtime(log)
    runtime.engine_host_code_allowed = (
        True  # a version-compatible engine holds a runtime; this one was built here
    )
    opened = runtime.deserialize_cuda_engine(engine)
    if opened is None:
        raise ExportError(f"the engine that was just built does not open: {log.first_error}")
    text = opened.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    return "inspector", layers_of_json(text)


def _products(network: Any) -> dict[str, str]:
    """Graph node -> type of its first operand, for every convolution and matrix product."""
    found: dict[str, str] = {}
    for layer in (network.get_layer(number) for number in range(network.num_layers)):
        kind = _TYPES.get(layer.get_input(0).dtype.name) if layer.num_inputs else None
        if layer.type.name in _PRODUCTS and kind is not None:
            found |= dict.fromkeys(NODES.findall(layer.metadata) or [layer.name], kind)
    return found


def _log(trt: Any) -> Any:
    class Log(trt.ILogger):
        """Records the library's messages instead of printing them."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: list[str] = []
            self.first_error = self.layers = ""

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.INFO:
                self.lines.append(f"{severity.name}: {_VOLATILE.sub('# ', message)}")
            elif "LayerType: " in message:
                self.layers = message
            if severity <= trt.ILogger.ERROR and not self.first_error:
                self.first_error = message.splitlines()[0]

    return Log()


def _monitor(trt: Any, channel: IO[bytes]) -> Any:
    class Monitor(trt.IProgressMonitor):
        """Sends the builder's progress."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._steps[phase] = max(steps, 1)

        def step_complete(self, phase: str, step: int) -> bool:
            _send(channel, (phase, min((step + 1) / self._steps[phase], 1.0)))
            return True

        def phase_finish(self, phase: str) -> None:
            _send(channel, (phase, 1.0))

    return Monitor()


def _send(channel: IO[bytes], message: object) -> None:
    pickle.dump(message, channel)
    channel.flush()


def main() -> None:
    """Build the engine of the job on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; the parent handles it
    ctypes.CDLL(None).prctl(_SIGKILL_WITH_PARENT, signal.SIGKILL)
    warnings.simplefilter("ignore")
    # The libraries print to standard output, so messages to the parent get a copy of it.
    with os.fdopen(os.dup(1), "wb") as channel:
        os.dup2(2, 1)
        job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the parent process
        try:
            answer: object = _build(job, channel)
        except ExportError as error:
            answer = error
        except Exception as error:
            answer = ExportError(f"{library_of(job.runtime).title} failed: {str(error).splitlines()[0]}")
        _send(channel, answer)
