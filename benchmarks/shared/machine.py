"""What a measurement was made on: processor, memory, GPU and the versions of what took part."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from ..._version import __version__
from ...bundle.json_documents import Document
from ...export.timing import processor_name
from ...runners.base import runtime_packages

__all__ = ["LOOPBACK", "Machine", "count_of_cores", "describe_machine"]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine in an address."""


class Machine(Document):
    """The properties of a machine that determine speed.

    Args:
        processor: model of the CPU.
        cores: how many logical cores this process may use.
        memory_bytes: of the machine.
        gpus: model and driver of each NVIDIA GPU.
        system: operating system and kernel.
        versions: name -> version of Python, litho and what they compute with, as installed for the client.
    """

    processor: str
    cores: int
    memory_bytes: int
    gpus: tuple[str, ...]
    system: str
    versions: dict[str, str]

    @property
    def said(self) -> str:
        """Processor and cores in words, such as "AMD EPYC, 2 cores"."""
        return f"{self.processor}, {count_of_cores(self.cores)}"


def count_of_cores(cores: int) -> str:
    """In words: "1 core", "2 cores"."""
    return "1 core" if cores == 1 else f"{cores} cores"


def describe_machine(endpoint: str = "") -> Machine:
    """The machine that this process runs on.

    Args:
        endpoint: address of a Triton server, whose version is asked for; empty for none.
    """
    return Machine(
        processor=processor_name(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpus=_gpus(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        versions={
            "python": platform.python_version(),
            "litho": __version__,
            **_versions(),
            **_server(endpoint),
        },
    )


def _gpus() -> tuple[str, ...]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip())


def _server(endpoint: str) -> dict[str, str]:
    if not endpoint:
        return {}
    from tritonclient.grpc import InferenceServerClient
    from tritonclient.utils import InferenceServerException

    address = urlsplit(endpoint)
    # A proxy that the environment names for the outside world does not reach a server on this machine.
    options = [("grpc.enable_http_proxy", 0)] if address.hostname in LOOPBACK else None
    try:
        with InferenceServerClient(address.netloc, channel_args=options) as client:
            metadata: Any = client.get_server_metadata(client_timeout=20)
    except InferenceServerException:
        return {}  # what only looks like Triton need not answer this question
    return {f"{metadata.name} server": metadata.version}


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in ("numpy", *runtime_packages()):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
