"""What a window costs: processor time and memory of client, server and stubs; memory, power and energy of GPUs."""

from __future__ import annotations

from collections.abc import Sequence

from ....bundle.json_documents import Document

__all__ = ["GpuUse", "ProcessUse", "Resources"]


class ProcessUse(Document):
    """What some processes used.

    Args:
        cpu_seconds: processor time of all their threads, user and system.
        memory_bytes: resident memory at the end of the window; shared memory counts in each process.
    """

    cpu_seconds: float
    memory_bytes: int

    @classmethod
    def pooled(cls, parts: Sequence[ProcessUse | None]) -> ProcessUse | None:
        """Use in several windows: all processor time, and the most memory; None if a window lacks it."""
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return cls(
            cpu_seconds=sum(part.cpu_seconds for part in known),
            memory_bytes=max(part.memory_bytes for part in known),
        )


class GpuUse(Document):
    """What the GPUs used, whichever process used it; from NVIDIA's management library (NVML).

    Args:
        memory_bytes: in use at the end of the window, of all devices.
        joules: energy of all devices, by their own counter where they have one, else from samples of their power.
        watts: mean power of all devices together.
    """

    memory_bytes: int
    joules: float
    watts: float


class Resources(Document):
    """What a window used.

    Args:
        seconds: length of the window.
        client: the load generator; with it the model, where that runs in the same process.
        server: the server's own process; None if it is not on this machine or not visible.
        stubs: the server's children, which run the models of Triton's Python backend.
        gpu: None without an NVIDIA GPU or without nvidia-ml-py.
    """

    seconds: float
    client: ProcessUse
    server: ProcessUse | None = None
    stubs: ProcessUse | None = None
    gpu: GpuUse | None = None

    @classmethod
    def pooled(cls, parts: Sequence[Resources]) -> Resources:
        """Resources of several windows together."""
        client = ProcessUse.pooled([part.client for part in parts])
        assert client is not None, "every window has it"
        seconds = sum(part.seconds for part in parts)
        gpus = [part.gpu for part in parts if part.gpu is not None]
        joules = sum(gpu.joules for gpu in gpus)
        return cls(
            seconds=seconds,
            client=client,
            server=ProcessUse.pooled([part.server for part in parts]),
            stubs=ProcessUse.pooled([part.stubs for part in parts]),
            gpu=GpuUse(
                memory_bytes=max(gpu.memory_bytes for gpu in gpus), joules=joules, watts=joules / seconds
            )
            if len(gpus) == len(parts)
            else None,
        )

    @property
    def cpu_seconds(self) -> float:
        """Processor time of client, server and stubs."""
        parts = (self.client, self.server, self.stubs)
        return sum(part.cpu_seconds for part in parts if part is not None)
