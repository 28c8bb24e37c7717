"""What a server declares: what it needs, its settings, how it is started, and how a request to it looks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from ....bundle import Bundle
from ....errors import EndpointError, LithoError, ServerStartError, UsageError
from ....extras import require
from ....files import write_bytes
from ....plugins import load_plugins
from ....signature import Signature
from ...load.generator import Kind, Plan, Site, drive

__all__ = [
    "MODEL",
    "PROGRAMS",
    "Peer",
    "Running",
    "Setting",
    "Work",
    "check_signature",
    "environment",
    "free_port",
    "install",
    "launched",
    "plan_of",
    "served_peers",
    "versions_in",
]

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
MODEL = "model"
"""Name of the model on every server."""

_FOLDER = "litho.benchmarks.peers.served"
_START_SECONDS = 120.0
_STOP_SECONDS = 15.0
_MOST = 64
"""Largest batch of every server; what `litho deploy` allows may be larger."""

_PYTRITON = ("nvidia-pytriton==0.7.0", "numpy==1.26.4", "onnxruntime==1.31.1")


@dataclass(frozen=True)
class Work:
    """What is served.

    Args:
        bundle: that holds the graph.
        variant: name of the graph's variant, which runs in ONNX Runtime.
        folder: for files.
    """

    bundle: Bundle
    variant: str
    folder: Path

    @property
    def signature(self) -> Signature:
        """Signature of the generator; every input is one number for each picture."""
        return self.bundle.manifest.stages[0].signature

    def graph(self) -> Path:
        """The graph as a file."""
        file = self.folder / "graph.onnx"
        if not file.exists():
            write_bytes(file, self.bundle.read(self.bundle.variant(self.variant).file))
        return file

    def site(self, port: int) -> Site:
        """Where a server answers, on loopback."""
        return Site(self.signature, f"127.0.0.1:{port}", MODEL, transport="http")

    def picture_shape(self) -> tuple[int, ...]:
        """Height, width and channels."""
        return self.signature.output_shape(self.signature.example(1))[1:]


@dataclass(frozen=True)
class Setting:
    """One way to set a server.

    Args:
        words: for the document.
        instances: that compute at the same time; each has its share of the cores.
        values: further settings, name -> value.
    """

    words: str
    instances: int
    values: Mapping[str, Any]

    @property
    def threads(self) -> int:
        """Threads of each instance."""
        return max(1, len(os.sched_getaffinity(0)) // self.instances)


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Args:
        site: where its model answers Triton's HTTP.
        process_id: of the process that all of its others come from.
        halts: whether its processes are stopped while another server is measured.
    """

    site: Site
    process_id: int
    halts: bool = False

    def processes(self) -> list[Any]:
        """All of its processes, as psutil has them."""
        psutil = require("psutil", "bench")
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.process_id)
            return [first, *first.children(recursive=True)]
        return []

    def cpu_seconds(self) -> float:
        """Processor time that they have taken."""
        psutil, total = require("psutil", "bench"), 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def halt(self, *, halted: bool) -> None:
        """Stop its processes, or let them go on, if it asks for that."""
        for process in self.processes() if self.halts else ():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGSTOP if halted else signal.SIGCONT)


class Peer(ABC):
    """A server: the class `Peer` of a module of this folder.

    Attributes:
        title: its name in tables.
        order: place in tables; litho's is first.
    """

    title: str
    order: int

    @abstractmethod
    def lacks(self) -> str:
        """What it needs and this machine lacks, in a sentence; empty if nothing."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Package -> version."""

    @abstractmethod
    def settings(self) -> Sequence[Setting]:
        """Those that are tried; the best is measured."""

    @abstractmethod
    def serve(self, work: Work, setting: Setting) -> AbstractContextManager[Running]:
        """Serve in the `with` block.

        Raises:
            LithoError: it does not start.
        """


def served_peers() -> dict[str, Peer]:
    """Name -> server, in the order of tables."""
    peers = {name.replace("_", "-"): module.Peer() for name, module in load_plugins(_FOLDER).items()}
    return dict(sorted(peers.items(), key=lambda item: item[1].order))


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def launched(
    program: str, plan: Mapping[str, Any], work: Work, python: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A program of `programs/` while the block runs, once it has answered a request.

    Args:
        program: name of its file.
        plan: that it is given; "port" is where it serves.
        work: for its files.
        python: that runs it.

    Raises:
        ServerStartError: it ended or did not answer; the message quotes its last words.
    """
    file, log = work.folder / f"{program}.json", work.folder / f"{program}.log"
    file.write_text(json.dumps(plan))
    command = [str(python), str(PROGRAMS / program), str(file)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=_variables(python),
            cwd=work.folder,
            start_new_session=True,
        )
    try:
        _wait(process, work, plan["port"], log)
        yield process
    finally:
        _end(process)


def _variables(python: Path) -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "OMP_"))}
    # PyTriton's processes load the library of Python, and another one of the system may come first.
    libraries = [sysconfig.get_config_var("LIBDIR") or "", os.environ.get("LD_LIBRARY_PATH", "")]
    return {
        **inherited,
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
    }


def plan_of(work: Work, setting: Setting, port: int) -> dict[str, Any]:
    """What every program is given."""
    variant = work.bundle.variant(work.variant)
    return {
        "graph": str(work.graph()),
        "output": work.signature.output.name,
        "instances": setting.instances,
        "threads": setting.threads,
        "shape": work.picture_shape(),
        "dtypes": {field.name: field.dtype for field in work.signature.inputs},
        "max_batch_size": min(_MOST, variant.batches[2]),
        "port": port,
        **setting.values,
    }


def versions_in(folder: Path) -> dict[str, str]:
    """Package -> version of what a server's environment holds that matters."""
    found = {one.name: one.version for one in distributions(path=[str(folder)])}
    return {name: found[name] for name in ("nvidia-pytriton", "onnxruntime", "numpy") if name in found}


def _wait(process: subprocess.Popen[bytes], work: Work, port: int, log: Path) -> None:
    """Wait until it has made a picture."""
    end, one = time.monotonic() + _START_SECONDS, Plan([Kind(work.signature.example(1))], fixed=True)
    while time.monotonic() < end and process.poll() is None:
        with suppress(EndpointError):
            if drive(one, work.site(port)).answered.all():
                return
        time.sleep(0.1)
    lines = log.read_text(errors="replace").splitlines()
    decisive = next((line for line in reversed(lines) if "Error" in line), (lines or ["it said nothing"])[-1])
    raise ServerStartError(f"{log.stem} did not serve: {decisive.strip()[:300]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    psutil = require("psutil", "bench")
    with suppress(psutil.NoSuchProcess):
        # Some servers' workers are in groups of their own.
        rest = psutil.Process(process.pid).children(recursive=True)
        for one in rest:
            with suppress(psutil.NoSuchProcess):
                one.resume()
        process.send_signal(signal.SIGCONT)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        for one in rest:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment() -> Path:
    """Folder of PyTriton's environment: LITHO_PYTRITON_HOME, else beside that of the embedded server."""
    if given := os.environ.get("LITHO_PYTRITON_HOME"):
        return Path(given).absolute()
    return Path(sys.prefix) / "share" / "litho" / "pytriton"


def install() -> Path:
    """Make PyTriton's environment, unless it is there; it needs an older NumPy than litho's.

    Raises:
        LithoError: it cannot be installed.
    """
    root = environment()
    if (root / "installed").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    venv.create(root, with_pip=True)
    command = [root / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-input", *_PYTRITON]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LithoError(f"PyTriton's environment could not be made at {root}: {said}")
    write_bytes(root / "installed", "\n".join(_PYTRITON) + "\n")
    return root


def check_signature(signature: Signature) -> None:
    """Refuse what not every server here takes: an input that is more than a number.

    Raises:
        UsageError: the signature has such an input.
    """
    for field in signature.inputs:
        if field.shape or field.dtype == "BYTES":
            raise UsageError(
                f"input {field.name!r} is more than a number; --served compares generators that take seeds and labels"
            )
