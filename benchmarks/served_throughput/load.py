"""The load generator of others, or `litho bench`: one call is one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from ...errors import LithoError
from ...extras import require
from ...serving.clients.client import Client
from ...serving.server.embedded import EmbeddedServer
from ...signature import Signature
from ..perf_analyzer.program import perf_analyzer_rows

__all__ = ["Load", "check_ended"]

_POLL_SECONDS = 0.05
_ROWS = 64


class Load:
    """The load generator: one call is one process.

    Args:
        server: that serves the model "model".
        signature: of the model.
        folder: for the files of perf_analyzer.
        clients: requests kept in flight.
        program: perf_analyzer; None for `litho bench`.
    """

    def __init__(
        self, server: EmbeddedServer, signature: Signature, folder: Path, clients: int, program: str | None
    ) -> None:
        self._endpoint = f"{server.grpc_url}/model"
        self._address = server.grpc_url.removeprefix("grpc://")
        self._clients, self._program = clients, program
        self._process = require("psutil", "bench").Process(server.process_id)
        self._data, self._report = folder / "data.json", folder / "report.txt"
        self._data.write_text(json.dumps({"data": perf_analyzer_rows(signature, _ROWS)}))

    def run(self, requests: int, seconds: float = 1.0) -> tuple[float, float, dict[str, float]]:
        """Pictures per second, mean batch of the server, and processor seconds of each part for one picture.

        Args:
            requests: number of requests, which perf_analyzer takes.
            seconds: length of the measurement, which `litho bench` takes.
        """
        with Client(self._endpoint) as client:
            before, times = client.statistics(), self._cpu_seconds()
            served = self._perf_analyzer(requests, client) if self._program else self._bench(seconds)
            counted = client.statistics() - before
        spent = {part: after - times[part] for part, after in self._cpu_seconds().items()}
        return served, counted.mean_batch, {part: took / counted.inferences for part, took in spent.items()}

    def _perf_analyzer(self, requests: int, client: Client) -> float:
        options = ["-i", "grpc", "-a", "--concurrency-range", str(self._clients)]
        options += ["--request-count", str(requests), "--input-data", str(self._data)]
        # Its own throughput is rounded to whole seconds, and a report with times also holds every picture: the server
        # counts what it has answered.
        counts: list[tuple[float, int]] = []
        command = [str(self._program), "-m", "model", "-u", self._address, *options]
        with self._report.open("w+") as report:
            with subprocess.Popen(command, stdout=report, stderr=subprocess.STDOUT) as running:
                while running.poll() is None:
                    counts.append((time.perf_counter(), client.statistics().inferences))
                    time.sleep(_POLL_SECONDS)
            report.seek(0)
            check_ended(command[0], running.returncode, report.read())
        first, last = counts[0][1], counts[-1][1]
        margin = (last - first) // 10
        inner = [(moment, count) for moment, count in counts if first + margin <= count <= last - margin]
        if len(inner) < 2:
            raise LithoError(f"{requests} requests ended too soon to be measured; give more --seconds")
        return (inner[-1][1] - inner[0][1]) / (inner[-1][0] - inner[0][0])

    def _bench(self, seconds: float) -> float:
        options = ["--concurrency", str(self._clients), "--seconds", str(seconds), "--json"]
        said = _said([sys.executable, "-P", "-m", "litho", "bench", self._endpoint, *options])
        windows = [window for point in json.loads(said)["points"] for window in point["windows"]]
        return sum(window["images"] for window in windows) / sum(window["seconds"] for window in windows)

    def _cpu_seconds(self) -> dict[str, float]:
        children = self._process.children(recursive=True)
        own = os.times()
        return {
            "server": sum(self._process.cpu_times()[:2]),
            "stubs": sum(sum(child.cpu_times()[:2]) for child in children),
            "load generator": own.children_user + own.children_system,
        }


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    check_ended(command[0], done.returncode, done.stderr + done.stdout)
    return done.stdout


def check_ended(program: str, code: int, said: str) -> None:
    """Refuse a program that failed, with its error.

    Args:
        program: its path.
        code: its exit code.
        said: all that it wrote.

    Raises:
        LithoError: it failed.
    """
    if code:
        lines = [line for line in said.splitlines() if line.strip()]
        # perf_analyzer prints its help after the error.
        decisive = next(
            (line for line in lines if "error" in line.lower()), (lines or ["it said nothing"])[-1]
        )
        raise LithoError(f"{Path(program).name} failed: {decisive.strip()}")
