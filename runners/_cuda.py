"""An NVIDIA GPU through its driver: find it, allocate memory, queue work on a stream, capture graphs.

Uses NVIDIA's bindings (`cuda.bindings`), imported with the first request for a GPU, and no torch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import DeviceError
from ..extras import require

__all__ = ["Device", "Gpu", "find_device"]


@dataclass(frozen=True)
class Device:
    """A GPU of this machine.

    Args:
        number: the driver's number of the GPU.
        name: for example "NVIDIA H200".
        target: compute capability, for example "sm90".
        driver: latest version of CUDA that the driver supports, for example "13.0".
    """

    number: int
    name: str
    target: str
    driver: str


def find_device(extra: str, number: int = 0) -> Device:
    """Find a GPU by its number.

    Args:
        extra: extra of litho that installs the bindings, for the message if they are missing.
        number: the driver's number of the GPU.

    Raises:
        MissingExtra: the bindings are not installed.
        DeviceError: there is no driver or no GPU with this number.
    """
    cuda = _driver(extra)
    count = _done(cuda.cuDeviceGetCount())
    if not 0 <= number < count:
        raise DeviceError(f"there is no GPU {number}: the driver finds {count or 'none'}")
    handle = _done(cuda.cuDeviceGet(number))
    kinds = cuda.CUdevice_attribute
    major = _done(cuda.cuDeviceGetAttribute(kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle))
    minor = _done(cuda.cuDeviceGetAttribute(kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle))
    name = _done(cuda.cuDeviceGetName(256, handle)).split(b"\0")[0].decode()
    version = _done(cuda.cuDriverGetVersion())
    return Device(number, name, f"sm{major}{minor}", f"{version // 1000}.{version % 1000 // 10}")


class Gpu:
    """The primary context of a GPU with its own stream; all work is queued on this stream.

    Args:
        device: from `find_device`.
        extra: extra of litho that installs the bindings.

    Raises:
        DeviceError: the driver refuses.
    """

    def __init__(self, device: Device, extra: str) -> None:
        self.device = device
        self._cuda = _driver(extra)
        self._handle = _done(self._cuda.cuDeviceGet(device.number))
        self._context = _done(self._cuda.cuDevicePrimaryCtxRetain(self._handle))
        self._memory: list[Any] = []
        self._pinned: list[int] = []
        self.make_current()
        # Non-blocking: it does not wait for the default stream, which other code of this process may use.
        self._stream = _done(self._cuda.cuStreamCreate(self._cuda.CUstream_flags.CU_STREAM_NON_BLOCKING))

    @property
    def stream(self) -> int:
        """Handle of the stream, as runtimes take it."""
        return int(self._stream)

    def make_current(self) -> None:
        """Make the context current in the calling thread; a context is current per thread."""
        _done(self._cuda.cuCtxSetCurrent(self._context))

    def allocate(self, size_bytes: int) -> int:
        """Allocate memory on the GPU and return its address; `close` frees it."""
        pointer = _done(self._cuda.cuMemAlloc(max(size_bytes, 1)))
        self._memory.append(pointer)
        return int(pointer)

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Allocate an array in pinned memory of the host; `close` frees it."""
        kind, count = np.dtype(dtype), int(np.prod(shape, dtype=np.int64))
        address = int(_done(self._cuda.cuMemHostAlloc(max(count * kind.itemsize, 1), 0)))
        self._pinned.append(address)
        content = (ctypes.c_uint8 * (count * kind.itemsize)).from_address(address)
        return np.frombuffer(memoryview(content), kind, count).reshape(shape)

    def upload(self, array: NDArray[Any], pointer: int) -> None:
        """Queue a copy of a pinned array to the GPU."""
        _done(self._cuda.cuMemcpyHtoDAsync(pointer, array.ctypes.data, array.nbytes, self._stream))

    def download(self, pointer: int, array: NDArray[Any]) -> None:
        """Queue a copy of the GPU's memory to a pinned array."""
        _done(self._cuda.cuMemcpyDtoHAsync(array.ctypes.data, pointer, array.nbytes, self._stream))

    def wait(self) -> None:
        """Wait until all queued work is done.

        Raises:
            DeviceError: queued work failed.
        """
        _done(self._cuda.cuStreamSynchronize(self._stream))

    def capture(self, work: Callable[[], None]) -> Any:
        """Record the work that `work` queues as a graph for `launch`, without running it.

        Raises:
            DeviceError: part of the work cannot be recorded.
        """
        mode = self._cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _done(self._cuda.cuStreamBeginCapture(self._stream, mode))
        try:
            work()
        finally:
            # A stream left in capture mode is unusable.
            status, graph = self._cuda.cuStreamEndCapture(self._stream)
        _done((status, graph))
        try:
            return _done(self._cuda.cuGraphInstantiate(graph, 0))
        finally:
            _done(self._cuda.cuGraphDestroy(graph))

    def launch(self, graph: Any) -> None:
        """Queue a captured graph."""
        _done(self._cuda.cuGraphLaunch(graph, self._stream))

    def forget(self, graph: Any) -> None:
        """Release a captured graph."""
        _done(self._cuda.cuGraphExecDestroy(graph))

    def close(self) -> None:
        """Release memory, stream and context; closing twice is fine."""
        if self._context is None:
            return
        self.make_current()
        for pointer in self._memory:
            _done(self._cuda.cuMemFree(pointer))
        for address in self._pinned:
            _done(self._cuda.cuMemFreeHost(address))
        _done(self._cuda.cuStreamDestroy(self._stream))
        _done(self._cuda.cuDevicePrimaryCtxRelease(self._handle))
        self._memory, self._pinned, self._context = [], [], None


def _driver(extra: str) -> Any:
    """Import and initialise the bindings."""
    cuda: Any = require("cuda.bindings.driver", extra)
    try:
        _done(cuda.cuInit(0))
    except DeviceError as error:
        raise DeviceError(f"no NVIDIA GPU can be used here: {error}") from error
    except Exception as error:  # the bindings have no public error type for a missing driver
        raise DeviceError(
            "no NVIDIA GPU can be used here: its driver is not installed (libcuda.so.1 was not found)"
        ) from error
    return cuda


def _done(answer: tuple[Any, ...]) -> Any:
    """The value of a driver's answer; its first part is the status."""
    status, *values = answer
    if int(status) != 0:
        name = getattr(status, "name", str(status))
        raise DeviceError(
            f"the NVIDIA driver answered {name.removeprefix('CUDA_ERROR_').lower().replace('_', ' ')}"
        )
    return values[0] if values else None
