"""PyTriton: the same Triton server, with Python functions bound to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """The graph in ONNX Runtime behind `@batch`, in an environment of its own."""

    title = "PyTriton"
    order = 10

    def lacks(self) -> str:
        """The environment."""
        if (base.environment() / "bin" / "python").exists():
            return ""
        return "its environment is missing; make it with: python -m litho.benchmarks.peers --install"

    def versions(self) -> dict[str, str]:
        """Versions of the packages in the environment."""
        (folder,) = (base.environment() / "lib").glob("python*/site-packages")
        return base.versions_in(folder)

    def settings(self) -> Sequence[base.Setting]:
        """One and two instances, each with and without a wait for others."""
        return [
            base.Setting(
                f"{count} instance{'s' * (count > 1)}, dynamic batching, queue delay {delay} µs",
                count,
                {"delay_microseconds": delay},
            )
            for count in (1, 2)
            for delay in (0, 500)
        ]

    @contextmanager
    def serve(self, work: base.Work, setting: base.Setting) -> Iterator[base.Running]:
        """As its own documentation does."""
        port = base.free_port()
        plan = {**base.plan_of(work, setting, port), "grpc_port": base.free_port()}
        python = base.environment() / "bin" / "python"
        with base.launched("pytriton_server.py", plan, work, python) as process:
            yield base.Running(work.site(port), process.pid)
