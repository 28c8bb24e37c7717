"""Reads what a window uses: processor time and memory of processes by psutil, GPUs by NVIDIA's library (NVML)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from ....errors import MissingExtra
from ....extras import require
from ..documents.resources import GpuUse, ProcessUse, Resources
from .server_process import server_process

__all__ = ["GpuMeter", "ProcessGauge", "gauge_of"]

_SAMPLE_SECONDS = 0.1
"""Time between two samples of the power of a GPU that does not count its energy."""


def gauge_of(endpoint: str, server_process_id: int | None = None) -> ProcessGauge | None:
    """A gauge of a load on an endpoint, or in this process if that is empty; None without psutil.

    Args:
        endpoint: address of the endpoint.
        server_process_id: of its server on this machine; None to find it by its port.
    """
    try:
        require("psutil", "bench")
    except MissingExtra:
        return None
    process_id = server_process_id or server_process(endpoint)
    here = not endpoint or process_id is not None
    return ProcessGauge(process_id, GpuMeter.opened() if here else None)


class ProcessGauge:
    """Reads a window's processes and GPUs: `begin` when it opens, `end` when it closes.

    Args:
        server: process id of the server; None if there is none on this machine.
        gpu: meter of this machine's GPUs; None if there are none, or the work is done elsewhere.
    """

    def __init__(self, server: int | None = None, gpu: GpuMeter | None = None) -> None:
        self._psutil = require("psutil", "bench")
        self._server, self._gpu = server, gpu
        self._client: list[Any] = []
        self._before: dict[int, float] = {}
        self._start = 0.0

    def begin(self, process_ids: Sequence[int] = ()) -> None:
        """The window opens; the load comes from these processes, or from this one if there are none."""
        self._client = list(self._alive(process_ids or (os.getpid(),)))
        self._before = {one.pid: _cpu_seconds(one) for one in (*self._client, *self._own(), *self._stubs())}
        if self._gpu is not None:
            self._gpu.begin()
        self._start = time.perf_counter()

    def end(self) -> Resources | None:
        """What was used since; None if a process of the load has ended."""
        seconds = time.perf_counter() - self._start
        gpu = None if self._gpu is None else self._gpu.end()
        client = self._use(self._client)
        if client is None:
            return None
        own, stubs = self._own(), self._stubs()
        return Resources(
            seconds=seconds,
            client=client,
            server=self._use(own) if own else None,
            stubs=self._use(stubs) if own else None,
            gpu=gpu,
        )

    def _alive(self, process_ids: Iterable[int]) -> Iterable[Any]:
        for process_id in process_ids:
            with suppress(self._psutil.Error):
                yield self._psutil.Process(process_id)

    def _own(self) -> list[Any]:
        return [] if self._server is None else list(self._alive([self._server]))

    def _stubs(self) -> list[Any]:
        found: list[Any] = []
        for one in self._own():
            with suppress(self._psutil.Error):
                found += one.children(recursive=True)
        return found

    def _use(self, processes: Sequence[Any]) -> ProcessUse | None:
        """What processes used, new ones included; None if one that is not a child has ended."""
        seconds, resident = 0.0, 0
        for one in processes:
            try:
                spent, memory = _cpu_seconds(one), one.memory_info().rss
            except self._psutil.Error:
                return None
            seconds += max(0.0, spent - self._before.get(one.pid, 0.0))
            resident += memory
        return ProcessUse(cpu_seconds=seconds, memory_bytes=resident)


def _cpu_seconds(process: Any) -> float:
    times = process.cpu_times()
    return times.user + times.system


class GpuMeter:
    """Memory, power and energy of all NVIDIA GPUs of this machine.

    Args:
        nvml: the module pynvml, whose library is open.
        devices: its handles.
    """

    def __init__(self, nvml: Any, devices: Sequence[Any]) -> None:
        self._nvml, self._devices = nvml, devices
        self._counted = all(self._energy_joules(device) is not None for device in devices)
        self._before = self._start = self._ended = self._sampled = 0.0
        self._stop = threading.Event()
        self._sampler: threading.Thread | None = None

    @classmethod
    def opened(cls) -> GpuMeter | None:
        """The meter; None without nvidia-ml-py, without its driver or without a GPU."""
        try:
            nvml = require("pynvml", "bench")
            nvml.nvmlInit()
        except MissingExtra:
            return None
        except Exception as error:  # of a class that only pynvml knows
            if not type(error).__name__.startswith("NVMLError"):
                raise
            return None
        devices = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return cls(nvml, devices) if devices else None

    def begin(self) -> None:
        """The window opens."""
        self._start = time.perf_counter()
        if self._counted:
            self._before = self._all_joules()
            return
        self._sampled = 0.0
        self._stop.clear()
        self._sampler = threading.Thread(target=self._sample, name="litho-power", daemon=True)
        self._sampler.start()

    def end(self) -> GpuUse:
        """What was used since."""
        self._ended = time.perf_counter()
        if self._sampler is not None:
            self._stop.set()
            self._sampler.join()
            self._sampler = None
        seconds = self._ended - self._start
        joules = self._all_joules() - self._before if self._counted else self._sampled
        memory = sum(self._nvml.nvmlDeviceGetMemoryInfo(device).used for device in self._devices)
        return GpuUse(memory_bytes=memory, joules=joules, watts=joules / seconds)

    def _sample(self) -> None:
        # The samples cover the window exactly, whenever this thread gets its turns.
        last = self._start
        while not self._stop.wait(_SAMPLE_SECONDS):
            now = time.perf_counter()
            self._sampled += self._watts() * (now - last)
            last = now
        self._sampled += self._watts() * (self._ended - last)

    def _watts(self) -> float:
        return sum(self._nvml.nvmlDeviceGetPowerUsage(device) for device in self._devices) / 1e3

    def _all_joules(self) -> float:
        return sum(self._energy_joules(device) or 0.0 for device in self._devices)

    def _energy_joules(self, device: Any) -> float | None:
        """Energy since the driver was loaded, in joules; None of a GPU that does not count it."""
        try:
            return self._nvml.nvmlDeviceGetTotalEnergyConsumption(device) / 1e3
        except self._nvml.NVMLError:
            return None
