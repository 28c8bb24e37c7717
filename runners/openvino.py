"""ONNX graphs in OpenVINO, on a CPU."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..bundle.external_graph import ExternalGraph
from ..errors import LithoError, UsageError
from ..extras import require
from ..signature import Signature
from ..signature.fields import Role
from ..signature.noise import NOISE, gaussian
from . import base
from ._graph_options import INFERENCE_PRECISION, graph_option
from ._memory import return_unused_memory

__all__ = ["Runner", "in_own_thread", "shared_core"]

_Made = TypeVar("_Made")


class Runner(base.Runner):
    """Runs an ONNX graph whose input is the noise where the signature has a seed.

    OpenVINO computes INT64 in 32 bits, which are too few for the seed's noise: this runner draws the noise.

    Args:
        model: content of the ONNX file, or an `openvino.Model`.
        signature: inputs and output of the runner, with the seed.
        device: "cpu".
        threads: threads that share one operator; by default one on each core.
        inference_precision: what layers compute in that are not quantized, such as "bf16", or "" for OpenVINO's own
            choice; by default what the metadata of the graph say, or "f32".
    """

    name = "openvino"
    title = "OpenVINO"
    extra = "openvino"
    packages = ("openvino",)
    order = 1
    runs_graphs = True
    passes = ("noise_outside",)
    inference_precisions = ("bf16",)
    integers = base.Integers(unsigned=True, passes={"subpixel": "subpixel_narrow"})
    threaded = True

    def __init__(
        self,
        model: bytes | Any,
        signature: Signature,
        device: str = "cpu",
        *,
        threads: int | None = None,
        inference_precision: str | None = None,
    ) -> None:
        if device != "cpu":
            raise UsageError(
                f"OpenVINO runs on cpu, not on {device!r}; for a GPU use the runner onnxruntime or tensorrt"
            )
        openvino = require("openvino", self.extra)
        super().__init__(signature, f"OpenVINO {openvino.__version__.split('-')[0]} on {device}")
        if isinstance(model, ExternalGraph):
            raise UsageError("OpenVINO opens no graph with its weights beside it; use the runner onnxruntime")
        content = model if isinstance(model, bytes) else b""
        if inference_precision is None:
            inference_precision = graph_option(content, INFERENCE_PRECISION, ("bf16",)) or "f32"
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": base.thread_count(threads)}
        if inference_precision:
            # By default it computes in BF16 on processors that have it, whatever the graph's precision is.
            hints["INFERENCE_PRECISION_HINT"] = inference_precision
        try:
            core = shared_core()
            compiled = core.compile_model(core.read_model(content) if content else model, "CPU", hints)
        except Exception as error:
            raise LithoError(f"OpenVINO refuses the graph: {_last_line(error)}") from error
        self._request = compiled.create_infer_request()
        return_unused_memory()
        self._lock = threading.Lock()  # a request holds the arrays of one call
        # An input also has the name of what is read of it in another shape, such as "view", if only that is read.
        known = {NOISE, *(field.name for field in signature.inputs)}
        self._inputs = {
            next(iter(port.get_names() & known), port.get_any_name()): port.get_partial_shape()
            for port in compiled.inputs
        }
        seeds = [field.name for field in signature.inputs if field.role is Role.SEED]
        if seeds and seeds[0] in self._inputs:
            raise LithoError(
                f"OpenVINO computes wrong noise from input {seeds[0]!r} of this graph; export it again for openvino"
            )

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        given = {field.name: inputs[field.name] for field in self.signature.inputs}
        if NOISE in self._inputs:
            count = self._inputs[NOISE][1].get_length()
            (seed,) = (field.name for field in self.signature.inputs if field.role is Role.SEED)
            given[NOISE] = gaussian(given.pop(seed), count)
        try:
            with self._lock:
                outputs = self._request.infer(
                    {name: np.ascontiguousarray(given[name]) for name in self._inputs}, share_inputs=True
                )
                return np.array(outputs[self.signature.output.name])
        except Exception as error:
            raise LithoError(f"{self.description} failed: {_last_line(error)}") from error


def _last_line(error: Exception) -> str:
    # The lines before it are locations in OpenVINO's source.
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)


def in_own_thread(make: Callable[[], _Made]) -> _Made:
    """The result of `make`, called in a thread that ends with it; for what opens cores of OpenVINO by itself.

    The first use of the CPU by an `openvino.Core` gives the calling thread an alternate signal stack, and the end of
    that core frees it. Where cores do not end in reverse order and in that thread, the thread keeps a stack that
    was freed, and the next signal, such as Ctrl-C, ends the process by SIGSEGV without a word. The main thread, which
    takes the signals, must therefore never open a core.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="openvino") as pool:
        return pool.submit(make).result()


@cache
def shared_core() -> Any:
    """The one `openvino.Core` of this process, opened by a thread that has ended; see `in_own_thread`.

    Raises:
        MissingExtra: OpenVINO is not installed.
    """
    openvino = require("openvino", Runner.extra)

    def opened() -> Any:
        core = openvino.Core()
        core.get_property("CPU", "FULL_DEVICE_NAME")  # loads the CPU's plugin, which is what sets the stack
        return core

    return in_own_thread(opened)
