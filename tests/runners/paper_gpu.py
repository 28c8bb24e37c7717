"""A GPU of paper: the driver's and TensorRT's calls that a runner makes, done by the host on its own memory.

It stands for no results of a GPU. It shows that calls come in order, that buffers are big enough, that graphs are
captured once and let go, and that nothing stays behind.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np


class Status(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900


class Driver(ModuleType):
    """What `litho.runners._cuda` calls of `cuda.bindings.driver`; memory is the host's."""

    CUdevice_attribute = SimpleNamespace(
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR=8, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR=6
    )
    CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING=1)
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1)

    def __init__(self, capturable: bool = True) -> None:
        super().__init__("cuda.bindings.driver")
        self.capturable = capturable
        self.held: dict[int, Any] = {}
        self.graphs: set[int] = set()
        self.launched = 0
        self.recording: list[Callable[[], None]] | None = None
        self.recorded: dict[int, list[Callable[[], None]]] = {}

    def __getattr__(self, name: str) -> Any:
        # Calls that change nothing here: contexts, streams, waiting.
        if name.startswith("cu"):
            return lambda *given: (Status.CUDA_SUCCESS, 1)
        raise AttributeError(name)

    def cuDeviceGetAttribute(self, kind: int, device: int) -> tuple[Status, int]:
        return Status.CUDA_SUCCESS, kind

    def cuDeviceGetName(self, length: int, device: int) -> tuple[Status, bytes]:
        return Status.CUDA_SUCCESS, b"Paper GPU".ljust(length, b"\0")

    def cuDriverGetVersion(self) -> tuple[Status, int]:
        return Status.CUDA_SUCCESS, 13000

    def cuMemAlloc(self, size: int) -> tuple[Status, int]:
        memory = ctypes.create_string_buffer(size)
        self.held[ctypes.addressof(memory)] = memory
        return Status.CUDA_SUCCESS, ctypes.addressof(memory)

    def cuMemHostAlloc(self, size: int, flags: int) -> tuple[Status, int]:
        return self.cuMemAlloc(size)

    def cuMemFree(self, address: int) -> tuple[Status]:
        del self.held[address]
        return (Status.CUDA_SUCCESS,)

    cuMemFreeHost = cuMemFree

    def cuMemcpyHtoDAsync(self, to: int, start: int, size: int, stream: int) -> tuple[Status]:
        assert self.recording is None
        ctypes.memmove(to, start, size)
        return (Status.CUDA_SUCCESS,)

    cuMemcpyDtoHAsync = cuMemcpyHtoDAsync

    def cuStreamBeginCapture(self, stream: int, mode: int) -> tuple[Status]:
        self.recording = []
        return (Status.CUDA_SUCCESS,)

    def cuStreamEndCapture(self, stream: int) -> tuple[Status, int | None]:
        recorded, self.recording = self.recording, None
        if not self.capturable or recorded is None:
            return Status.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, None
        self.recorded[id(recorded)] = recorded
        return Status.CUDA_SUCCESS, id(recorded)

    def cuGraphInstantiate(self, graph: int, flags: int) -> tuple[Status, int]:
        self.graphs.add(graph)
        return Status.CUDA_SUCCESS, graph

    def cuGraphExecDestroy(self, graph: int) -> tuple[Status]:
        self.graphs.remove(graph)
        return (Status.CUDA_SUCCESS,)

    def cuGraphLaunch(self, graph: int, stream: int) -> tuple[Status]:
        assert graph in self.graphs
        self.launched += 1
        for work in self.recorded[graph]:
            work()
        return (Status.CUDA_SUCCESS,)


class Context:
    """Adds one to its input `x`, UINT8, and remembers what was set."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.active_optimization_profile = driver, 0
        self.shape: tuple[int, ...] = ()
        self.addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        self.active_optimization_profile = profile
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        size, addresses = int(np.prod(self.shape)), dict(self.addresses)

        def add_one() -> None:
            source, result = (
                np.frombuffer(memoryview((ctypes.c_uint8 * size).from_address(addresses[name])), np.uint8)
                for name in ("x", "y")
            )
            result[:] = source + 1

        if self.driver.recording is not None:
            self.driver.recording.append(add_one)
        else:
            add_one()
        return True


def library(driver: Driver, contexts: list[Context], names: tuple[str, ...] = ("x", "y")) -> ModuleType:
    """A `tensorrt` that opens any bytes but b"broken" as the engine of `Context`."""

    class Engine:
        num_io_tensors = len(names)

        def get_tensor_name(self, number: int) -> str:
            return names[number]

        def get_tensor_dtype(self, name: str) -> str:
            return "UINT8"

        def create_execution_context(self) -> Context:
            contexts.append(Context(driver))
            return contexts[-1]

    class Logger:
        ERROR = 1

    class Runtime:
        def __init__(self, log: Any) -> None:
            self.log = log

        def deserialize_cuda_engine(self, content: bytes) -> Engine | None:
            if content == b"broken":
                self.log.log(1, "magic tag does not match\nand more")
                return None
            return Engine()

    module = ModuleType("tensorrt")
    parts = {"__version__": "11.4.0", "ILogger": Logger, "Runtime": Runtime, "nptype": lambda kind: np.uint8}
    vars(module).update(parts)
    return module
