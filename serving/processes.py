"""Processes of this machine as the kernel shows them in /proc: who listens on a port, and what a server started."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Stub", "describe", "listener", "stubs_of"]

_PROC = Path("/proc")
_LISTENING = "0A"  # TCP_LISTEN, in the kernel's own writing
_STUB = "triton_python_backend_stub"


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
    state: str


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
            # The name in parentheses may hold spaces; the state and the parent's id follow it.
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if int(parent) != server:
                continue
            arguments = (folder / "cmdline").read_text(errors="replace").split("\0")
            if Path(arguments[0]).name == _STUB:
                instance = arguments[8]
                # "digits_0_1": name of the model, number of the instance group, number in it.
                found.append(Stub(int(folder.name), instance.rsplit("_", 2)[0], instance, state))
    return tuple(sorted(found, key=lambda stub: stub.pid))


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
