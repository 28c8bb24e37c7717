"""An NVIDIA GPU by its driver: which one is here, its memory, one stream of our own, and captured graphs.

Everything goes through NVIDIA's own bindings (`cuda.bindings`), which are imported when a GPU is first asked for;
torch has no part in it. Written from the documentation: where no GPU is at hand only the refusals are tested.
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
    """A GPU that was found.

    Args:
        number: the driver's.
        name: for example "NVIDIA H200".
        target: compute capability, for example "sm90".
        driver: largest version of CUDA that the driver runs, for example "13.0".
    """

    number: int
    name: str
    target: str
    driver: str


def find_device(extra: str, number: int = 0) -> Device:
    """The GPU of that number.

    Args:
        extra: of litho that brings the bindings, for the message where they are absent.
        number: the driver's.

    Raises:
        MissingExtra: the bindings are not installed.
        DeviceError: there is no driver, no GPU, or none of that number.
    """
    cuda = _driver(extra)
    count = _done(cuda.cuDeviceGetCount())
    if not 0 <= number < count:
        raise DeviceError(f"there is no GPU {number}: this machine's driver finds {count or 'none'}")
    handle = _done(cuda.cuDeviceGet(number))
    kinds = cuda.CUdevice_attribute
    major = _done(cuda.cuDeviceGetAttribute(kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle))
    minor = _done(cuda.cuDeviceGetAttribute(kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle))
    name = _done(cuda.cuDeviceGetName(256, handle)).split(b"\0")[0].decode()
    version = _done(cuda.cuDriverGetVersion())
    return Device(number, name, f"sm{major}{minor}", f"{version // 1000}.{version % 1000 // 10}")


class Gpu:
    """The primary context of a GPU with a stream of its own; everything asked of it is queued on that stream.

    Args:
        device: that `find_device` found.
        extra: of litho that brings the bindings.

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
        # A stream that does not wait for the default one, on which others in this process may work.
        self._stream = _done(self._cuda.cuStreamCreate(self._cuda.CUstream_flags.CU_STREAM_NON_BLOCKING))

    @property
    def stream(self) -> int:
        """The stream's handle, as the runtimes take it."""
        return int(self._stream)

    def make_current(self) -> None:
        """Let the calling thread use this GPU; contexts belong to threads."""
        _done(self._cuda.cuCtxSetCurrent(self._context))

    def allocate(self, size_bytes: int) -> int:
        """The address of so much of the GPU's memory, freed with this object."""
        pointer = _done(self._cuda.cuMemAlloc(max(size_bytes, 1)))
        self._memory.append(pointer)
        return int(pointer)

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array in the host's memory that the GPU copies from and to by itself, gone with this object."""
        kind, count = np.dtype(dtype), int(np.prod(shape, dtype=np.int64))
        address = int(_done(self._cuda.cuMemHostAlloc(max(count * kind.itemsize, 1), 0)))
        self._pinned.append(address)
        content = (ctypes.c_uint8 * (count * kind.itemsize)).from_address(address)
        return np.frombuffer(memoryview(content), kind, count).reshape(shape)

    def upload(self, array: NDArray[Any], pointer: int) -> None:
        """Queue the copy of a pinned array to the GPU."""
        _done(self._cuda.cuMemcpyHtoDAsync(pointer, array.ctypes.data, array.nbytes, self._stream))

    def download(self, pointer: int, array: NDArray[Any]) -> None:
        """Queue the copy of the GPU's memory to a pinned array."""
        _done(self._cuda.cuMemcpyDtoHAsync(array.ctypes.data, pointer, array.nbytes, self._stream))

    def wait(self) -> None:
        """Return when everything queued is done.

        Raises:
            DeviceError: something queued failed.
        """
        _done(self._cuda.cuStreamSynchronize(self._stream))

    def capture(self, work: Callable[[], None]) -> Any:
        """Record what `work` queues, instead of doing it, as a graph that `launch` does at once.

        Raises:
            DeviceError: something in it cannot be recorded.
        """
        mode = self._cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _done(self._cuda.cuStreamBeginCapture(self._stream, mode))
        try:
            work()
        finally:
            # A stream that stays in capture could never be used again.
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
    """The bindings, ready for use."""
    cuda: Any = require("cuda.bindings.driver", extra)
    try:
        _done(cuda.cuInit(0))
    except DeviceError as error:
        raise DeviceError(f"no NVIDIA GPU can be used here: {error}") from error
    except Exception as error:  # the bindings have no public name for a driver's library that is not there
        raise DeviceError(
            "no NVIDIA GPU can be used here: its driver is not installed (libcuda.so.1 was not found)"
        ) from error
    return cuda


def _done(answer: tuple[Any, ...]) -> Any:
    """The value of a driver's answer, whose first part says whether it worked."""
    status, *values = answer
    if int(status) != 0:
        name = getattr(status, "name", str(status))
        raise DeviceError(
            f"the NVIDIA driver answered {name.removeprefix('CUDA_ERROR_').lower().replace('_', ' ')}"
        )
    return values[0] if values else None
