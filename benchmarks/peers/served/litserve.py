"""LitServe: FastAPI and worker processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from ..in_process.base import installed
from . import base

__all__ = ["Peer"]

_PACKAGES = ("litserve", "fastapi", "uvicorn", "uvloop", "httptools", "onnxruntime", "numpy")


class Peer(base.Peer):
    """The graph in ONNX Runtime in its workers, raw bytes in and out as in Triton's HTTP."""

    title = "LitServe"
    order = 20

    def lacks(self) -> str:
        """The package."""
        return "" if installed("litserve") else "litserve is not installed; it is in the extra dev"

    def versions(self) -> dict[str, str]:
        """Versions of the packages that serve."""
        return {name: version(name) for name in _PACKAGES if installed(name)}

    def settings(self) -> Sequence[base.Setting]:
        """One and two workers, each with and without a wait for others."""
        return [
            base.Setting(
                f"{count} worker{'s' * (count > 1)}, batches of up to 64, batch timeout {timeout * 1e3:g} ms,"
                " fast queue, 1 API server",
                count,
                {"batch_timeout": timeout, "fast_queue": True, "api_servers": 1},
            )
            for count in (1, 2)
            for timeout in (0.0, 0.001)
        ]

    @contextmanager
    def serve(self, work: base.Work, setting: base.Setting) -> Iterator[base.Running]:
        """Its workers ask for work all the time, so they are stopped while another server is measured."""
        port = base.free_port()
        plan = base.plan_of(work, setting, port)
        python = Path(sys.executable)
        with base.launched("litserve_server.py", plan, work, python) as process:
            yield base.Running(work.site(port), process.pid, halts=True)
