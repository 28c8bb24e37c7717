"""ONNX graph -> TensorRT-RTX engine, ahead of time and without a GPU.

Precision is a property of the graph: TensorRT has no precision switches to set. TF32 is switched off, so that an
FP32 graph is computed in FP32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ExportError, UnknownName
from ..extras import require
from ..signature import Signature

__all__ = ["TARGETS", "build_engine", "engine_environment"]

TARGETS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""Compute capabilities of NVIDIA GPUs that TensorRT-RTX builds for ahead of time."""


def build_engine(
    graph: bytes,
    signature: Signature,
    target: str,
    batches: tuple[int, int, int],
    progress: Callable[[str, float], None] | None = None,
) -> bytes:
    """Build the engine of a graph for one target.

    Args:
        graph: content of an ONNX file whose batch extent is free.
        signature: of the graph.
        target: one of `TARGETS`.
        batches: smallest, preferred and largest batch of the optimisation profile.
        progress: called with the builder's phase and the share of it that is done, 0 to 1.

    Returns:
        The serialised engine.

    Raises:
        UnknownName: `target` is not one of `TARGETS`.
        MissingExtra: tensorrt-rtx is not installed.
        ExportError: the graph does not parse or the engine does not build; the message is TensorRT's own.
    """
    if target not in TARGETS:
        raise UnknownName("target", target, TARGETS)
    trt = require("tensorrt_rtx", "rtx")
    log = _log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph):
        error = parser.get_error(0)
        raise ExportError(
            f"TensorRT-RTX does not parse the graph: {error.desc()} (node {error.node_name()!r})"
        )
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, target.upper()), 0)
    config.add_optimization_profile(_profile(builder, signature, batches))
    if progress is not None:
        config.progress_monitor = _monitor(trt, progress)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ExportError(f"TensorRT-RTX built no engine for {target}: {log.last_error or 'no reason given'}")
    return bytes(engine)


def engine_environment() -> dict[str, str]:
    """What builds engines here: name -> version."""
    return {"tensorrt-rtx": require("tensorrt_rtx", "rtx").__version__, "tf32": "off"}


def _profile(builder: Any, signature: Signature, batches: tuple[int, int, int]) -> Any:
    profile = builder.create_optimization_profile()
    for field in signature.inputs:
        profile.set_shape(field.name, *((batch, *field.shape) for batch in batches))
    return profile


def _log(trt: Any) -> Any:
    class Log(trt.ILogger):
        """Keeps the last error instead of printing."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = ""

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.last_error = message.splitlines()[0]

    return Log()


def _monitor(trt: Any, progress: Callable[[str, float], None]) -> Any:
    class Monitor(trt.IProgressMonitor):
        """Passes the builder's progress on; Ctrl-C stops the build at its next step."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._steps[phase] = max(steps, 1)

        def step_complete(self, phase: str, step: int) -> bool:
            progress(phase, (step + 1) / self._steps[phase])
            return True

        def phase_finish(self, phase: str) -> None:
            progress(phase, 1.0)

    return Monitor()
