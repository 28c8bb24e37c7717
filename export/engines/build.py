"""Build an engine in a separate process, which can be stopped at any time and whose crash does not affect this one.

The libraries name parts of an engine in the order of their memory addresses. The process has fixed addresses if the
system allows it, so that two builds are nearly always the same bytes.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from typing import IO, cast

from ... import interrupts
from ...bundle.engine_record import EngineRecord, this_system
from ...errors import DeviceError, ExportError, MissingExtra, UnknownName
from ...extras import require
from ...parity.replay import served_batches
from ...reporting.progress import Progress, quiet
from ...runners._cuda import Device, find_device
from ...runners.base import library_of
from ...signature import Signature
from .options import TARGETS, EngineOptions
from .worker import Job, Outcome

__all__ = ["BuiltEngine", "build_engine", "engine_environment", "present_device"]

_ADDR_NO_RANDOMIZE = 0x0040000
"""Of Linux's personality(2)."""

_QUERY = 0xFFFFFFFF


@dataclass(frozen=True)
class BuiltEngine(Outcome):
    """A built engine.

    Args:
        record: its provenance and where it runs.
    """

    record: EngineRecord


def build_engine(
    graph: bytes,
    signature: Signature,
    target: str,
    options: EngineOptions | None = None,
    *,
    runtime: str = "tensorrt-rtx",
    progress: Progress = quiet,
) -> BuiltEngine:
    """Build the engine of a graph for one target.

    Args:
        graph: content of an ONNX file whose batch extent is free.
        signature: of the graph.
        target: one of `TARGETS`; for TensorRT, which builds for the GPU of this machine, that GPU's.
        options: of the builder.
        runtime: "tensorrt-rtx" or "tensorrt".
        progress: called with the builder's phase and the share of it that is done, 0 to 1.

    Raises:
        UnknownName: `target` is not one of `TARGETS`.
        MissingExtra: the library is not installed.
        DeviceError: the options need a GPU's driver, or another GPU.
        UsageError: the library does not support an option.
        ExportError: the graph cannot be parsed or the engine cannot be built; the message is the library's.
    """
    library, options = library_of(runtime), (options or EngineOptions()).within(served_batches(signature))
    if library.ahead_of_time and target not in TARGETS:
        raise UnknownName("target", target, TARGETS)
    options.refuse_unmet(library)
    require(library.module, library.extra)
    gpu = _gpu_of(library.title, target, ahead_of_time=library.ahead_of_time, options=options)
    inputs = tuple(
        (field.name, (field.extreme_shapes[0], field.usual_shape, field.extreme_shapes[1]))
        for field in signature.inputs
    )
    outcome = _run(Job(runtime, graph, inputs, target, options), progress)
    record = EngineRecord(
        library=runtime,
        version=outcome.version,
        target=target,
        gpu=gpu,
        system=this_system(),
        profiles=options.profiles,
        workspace_bytes=options.workspace_bytes,
        tf32=options.tf32,
        version_compatible=options.version_compatible,
        hardware_compatible=options.hardware_compatible,
        stripped=options.strip_weights,
        timing_cache_sha256=sha256(outcome.timing_cache).hexdigest() if outcome.timing_cache else None,
        read_back=outcome.read.source,
        layers=outcome.read.counts,
        products={node: precision or "unknown" for node, precision in outcome.read.products.items()},
    )
    return BuiltEngine(**vars(outcome), record=record)


def engine_environment(runtimes: Collection[str]) -> dict[str, str]:
    """Name and version of each library of `runtimes` that can build engines here.

    Raises:
        MissingExtra: a library that builds ahead of time is not installed; others may be missing on a machine without
            the GPU.
    """
    libraries = {runtime: library_of(runtime) for runtime in runtimes}
    found = {
        runtime: require(library.module, library.extra).__version__
        for runtime, library in libraries.items()
        if library.ahead_of_time or find_spec(library.module) is not None
    }
    return {**found, "tf32": "off"} if found else {}


def present_device(runtime: str) -> Device:
    """The GPU of this machine, for a library that builds engines for it.

    Raises:
        MissingExtra: the library or the driver's Python package is not installed.
        DeviceError: there is no GPU or no driver.
    """
    library = library_of(runtime)
    require(library.module, library.extra)
    return find_device(library.extra)


def _gpu_of(title: str, target: str, *, ahead_of_time: bool, options: EngineOptions) -> str | None:
    """Name of the GPU that the engine is built on; None if it needs none."""
    if ahead_of_time and not options.strip_weights:
        return None
    try:
        device = find_device("rtx" if ahead_of_time else "gpu")
    except (DeviceError, MissingExtra) as error:
        what = "to strip weights" if options.strip_weights else "to build"
        raise DeviceError(f"{title} needs an NVIDIA GPU {what}: {error}") from error
    if device.target != target and not ahead_of_time:
        raise DeviceError(f"{title} builds for the GPU of this machine, {device.target}, not for {target}")
    return device.name


def _run(job: Job, progress: Progress) -> Outcome:
    with _worker() as process:
        try:
            pickle.dump(job, cast("IO[bytes]", process.stdin))
            cast("IO[bytes]", process.stdin).flush()
            while True:
                message = pickle.load(cast("IO[bytes]", process.stdout))  # noqa: S301 - from our own process
                if isinstance(message, Outcome):
                    return message
                if isinstance(message, ExportError):
                    raise message
                progress(*message)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            code = process.wait()
            raise ExportError(
                f"{library_of(job.runtime).title} broke off while it built for {job.target} (exit code {code});"
                " it may have run out of memory"
            ) from error


@contextmanager
def _worker() -> Iterator[subprocess.Popen[bytes]]:
    """A new process that builds engines; it ends with the block."""
    with _fixed_addresses(), interrupts.deaf_to_ctrl_c():
        process = subprocess.Popen(
            [sys.executable, "-c", f"from {__package__}.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):  # the worker is gone and reads no more input
                cast("IO[bytes]", stream).close()


@contextmanager
def _fixed_addresses() -> Iterator[None]:
    """Start processes in the block with the same memory layout every time, if the system allows it."""
    system = ctypes.CDLL(None)
    before = system.personality(_QUERY)
    system.personality(before | _ADDR_NO_RANDOMIZE)
    try:
        yield
    finally:
        system.personality(before)
