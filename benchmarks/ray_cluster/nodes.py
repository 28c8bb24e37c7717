"""A Ray cluster of several nodes on this machine, in a process of its own: Ray changes signals and streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from ...errors import ClusterError
from ...extras import require

__all__ = ["Nodes"]

_STORE = 100 * 2**20
_END_SECONDS = 60


class Nodes:
    """A head without CPUs, where drivers live, and nodes of one CPU each; a context manager.

    Attributes:
        address: of the head.

    Args:
        nodes: of each node, further arguments of `ray.cluster_utils.Cluster.add_node`.
        folders: to import from, beside those of this process's environment.
    """

    def __init__(self, nodes: Sequence[Mapping[str, Any]], folders: Sequence[Path] = ()) -> None:
        require("ray", "ray")
        path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), *map(str, folders)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "litho.benchmarks.ray_cluster.nodes", json.dumps(nodes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"},
        )
        self.address = ""

    def __enter__(self) -> Self:
        self.address = self._answer("READY")
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=_END_SECONDS)

    def lose(self, number: int) -> None:
        """Kill a node with all its processes, as if its machine lost its power."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        self._answer("LOST")

    def workers(self) -> list[int]:
        """Processes of this cluster that do pieces of work."""
        parents = {pid: parent for pid, parent, _ in _processes()}

        def ours(pid: int) -> bool:
            while pid in parents and pid != self._process.pid:
                pid = parents[pid]
            return pid == self._process.pid

        return [pid for pid, _, words in _processes() if "RayWorker" in words and ours(pid)]

    def _answer(self, expected: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, _, rest = line.partition(" ")
            if word == expected:
                return rest.strip()
        raise ClusterError("the Ray cluster of this machine did not start")


def _processes() -> Iterator[tuple[int, int, str]]:
    """Id, parent and command line of every process."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            yield int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1]), words


def _serve(nodes: Sequence[Mapping[str, Any]]) -> None:
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": _STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    running = [cluster.add_node(num_cpus=1, object_store_memory=_STORE, **node) for node in nodes]
    print("READY", cluster.address, flush=True)
    for line in sys.stdin:
        cluster.remove_node(running[int(line)], allow_graceful=False)
        print("LOST ", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
