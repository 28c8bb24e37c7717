"""System shared memory with a Triton server on the same machine: pictures are not copied through the connection.

A region loses its name in the file system as soon as the server has opened it: whatever kills this process, no file is
left. What a killed client left registered in the server, the next client that uses shared memory takes back.
"""

from __future__ import annotations

import itertools
import mmap
import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from ..errors import EndpointError

__all__ = ["PREFIX", "Region", "Regions"]

FOLDER = Path("/dev/shm")  # noqa: S108 - where the kernel keeps POSIX shared memory
PREFIX = "litho-client-"
_NAME = re.compile(rf"{PREFIX}(\d+)-(\d+)-(\d+)-\d+")
"""Name of a region: of the space of process ids, the process, its start, and a number."""

_numbers = itertools.count()


class Region:
    """Memory that this process and the server share.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.name = f"{PREFIX}{_own_space()}-{os.getpid()}-{_started(os.getpid())}-{next(_numbers)}"
        self._path = FOLDER / self.name
        descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)  # else a full /dev/shm is a SIGBUS later
            self._memory = mmap.mmap(descriptor, size)
        except BaseException:
            self.forget_name()
            raise
        finally:
            os.close(descriptor)

    def forget_name(self) -> None:
        """Remove the file; the memory stays with those who have it open."""
        self._path.unlink(missing_ok=True)

    def write(self, offset: int, content: bytes) -> None:
        """Put bytes into the memory."""
        self._memory[offset : offset + len(content)] = content

    def read(self, offset: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """A copy of UINT8 values out of the memory."""
        size = int(np.prod(shape))
        return np.frombuffer(self._memory[offset : offset + size], np.uint8).reshape(shape)

    def close(self) -> None:
        """Release the memory."""
        self.forget_name()
        self._memory.close()


class Regions:
    """The regions of one connection, used again and again.

    Args:
        call: sends one message of Triton's shared memory protocol: its name without "SystemSharedMemory", and its
            facts.

    Raises:
        EndpointError: the server does not answer.
    """

    def __init__(self, call: Callable[[str, Mapping[str, Any]], Any]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._free: list[Region] = []
        self._registered: dict[str, Region] = {}
        self._closed = False
        remove_stale(call)

    def borrow(self, size: int) -> Region:
        """A region of at least `size` bytes, which the server knows.

        Raises:
            EndpointError: there is no shared memory left, or the server cannot open it.
        """
        with self._lock:
            fitting = [region for region in self._free if region.size >= size]
            if fitting:
                region = min(fitting, key=lambda one: one.size)
                self._free.remove(region)
                return region
        try:
            region = Region(1 << max(16, (size - 1).bit_length()))
        except OSError as error:
            raise EndpointError(
                f"no shared memory for {size} bytes: {error.strerror}; enlarge /dev/shm, or do without"
            ) from None
        try:
            self._call("Register", {"name": region.name, "key": f"/{region.name}", "byte_size": region.size})
        except BaseException:
            region.close()
            raise
        region.forget_name()
        with self._lock:
            self._registered[region.name] = region
        return region

    def give_back(self, region: Region, *, answered: bool) -> None:
        """Return a region; one whose request was not answered is not used again: the server may still write there."""
        with self._lock:
            if answered and not self._closed:
                self._free.append(region)
                return
        self._drop(region)

    def close(self) -> None:
        """Take all regions back from a server that still runs; closing twice is fine."""
        with self._lock:
            self._closed = True
            left, self._free = list(self._registered.values()), []
        for region in left:
            self._drop(region)

    def _drop(self, region: Region) -> None:
        with suppress(EndpointError, grpc.RpcError, ValueError):  # it may be gone, or still use it
            self._call("Unregister", {"name": region.name})
        with self._lock:
            known = self._registered.pop(region.name, None)
        if known is not None:
            region.close()


def remove_stale(call: Callable[[str, Mapping[str, Any]], Any]) -> list[str]:
    """Remove what killed clients left in the server and in the file system, and return its names."""
    names = {str(name) for name in call("Status", {}).regions}
    names |= {path.name for path in FOLDER.glob(f"{PREFIX}*")}
    stale = [name for name in sorted(names) if (match := _NAME.fullmatch(name)) and _is_dead(match)]
    for name in stale:
        with suppress(EndpointError):
            call("Unregister", {"name": name})
        (FOLDER / name).unlink(missing_ok=True)
    return stale


def _is_dead(name: re.Match[str]) -> bool:
    space, process, started = map(int, name.groups())
    # Of processes in another container nothing is known.
    return space == _own_space() and _started(process) != started


def _own_space() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _started(process_id: int) -> int | None:
    """When a process started, in ticks since the machine did; None if there is no such process."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])
