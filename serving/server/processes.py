"""Processes of this machine as the kernel shows them in /proc: who listens on a port, and what a server started."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["IDLE_SHARE", "Look", "Stub", "describe", "listener", "look", "stubs_of"]

_PROC = Path("/proc")
_LISTENING = "0A"  # TCP_LISTEN, in the kernel's own writing
_STUB = "triton_python_backend_stub"
_TICKS, _PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")

IDLE_SHARE = 0.01
"""Share of a processor below which a process does nothing."""


@dataclass(frozen=True)
class Stub:
    """A process of the Python backend, which runs one instance of a model.

    Args:
        pid: its process id.
        model: name of the model.
        instance: name that Triton gives the instance, such as "digits_0_1".
        state: letter of the kernel: R runs, S sleeps, T is stopped, Z is dead.
    """

    pid: int
    model: str
    instance: str
    state: str = field(compare=False)  # the same process a moment later


@dataclass(frozen=True)
class Look:
    """How a process is now.

    Args:
        state: as of `Stub`.
        cpu_seconds: processor time that it has used, of all its threads.
        memory_bytes: of its memory that is in RAM.
        exit_code: of a dead process as `subprocess` gives it, negative for a signal; else 0.
    """

    state: str
    cpu_seconds: float
    memory_bytes: int
    exit_code: int


def look(pid: int, parent: int) -> Look | None:
    """How a process is now; None if it is gone, or no longer the child of `parent`."""
    try:
        fields = _stat(_PROC / str(pid))
    except (OSError, IndexError):
        return None
    if int(fields[1]) != parent:
        return None
    # Numbers of the fields in proc(5), less the two in front of these: 14 and 15 user and system time, 24 pages in
    # RAM, 52 exit code.
    status = int(fields[49]) if fields[0] == "Z" else 0
    code = -(status & 0x7F) if status & 0x7F else status >> 8
    cpu_seconds = (int(fields[11]) + int(fields[12])) / _TICKS
    return Look(fields[0], cpu_seconds, int(fields[21]) * _PAGE_BYTES, code)


def listener(port: int) -> int | None:
    """Process id of the process that listens on a TCP port; None if there is none, or it is another user's."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    if not sockets:
        return None
    for folder in _PROC.glob("[0-9]*/fd"):
        with suppress(OSError):  # the process ended, or is another user's
            for file in folder.iterdir():
                with suppress(OSError):
                    if str(file.readlink()) in sockets:
                        return int(folder.parent.name)
    return None


def describe(pid: int | None) -> str:
    """A process in words, such as "process 4711 (tritonserver)"."""
    if pid is None:
        return "another process"
    try:
        name = (_PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"process {pid}"
    return f"process {pid} ({name})"


def stubs_of(server: int) -> tuple[Stub, ...]:
    """The Python backend's processes of a server, sorted by process id.

    Args:
        server: process id of the server.
    """
    found = []
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            state, parent = _stat(folder)[:2]
            if int(parent) != server:
                continue
            arguments = (folder / "cmdline").read_text(errors="replace").split("\0")
            if Path(arguments[0]).name == _STUB:
                instance = arguments[8]
                # "digits_0_1": name of the model, number of the instance group, number in it.
                found.append(Stub(int(folder.name), instance.rsplit("_", 2)[0], instance, state))
    return tuple(sorted(found, key=lambda stub: stub.pid))


def _stat(folder: Path) -> list[str]:
    """The fields of a process's status from its state on; its name in front of them may hold spaces."""
    return (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _listening(port: int) -> set[str]:
    """Inodes of the sockets that listen on a port."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes
