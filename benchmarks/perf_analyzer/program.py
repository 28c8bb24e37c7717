"""NVIDIA's perf_analyzer: where it is, and one measurement with it."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import LithoError
from ...signature import Signature
from ..shared.command import find_program
from .documents import Protocol, Side

__all__ = ["PERF_ANALYZER", "PerfAnalyzer", "find_perf_analyzer", "perf_analyzer_rows"]

PERF_ANALYZER = "PERF_ANALYZER"
"""Variable of the environment that names the program."""

WINDOWS = 3
"""perf_analyzer measures three windows and reports what they say together."""
_ROWS = 64
_MOST_WINDOWS = 10
"""Windows that it takes where a machine stalls in some: one without an answer is no measurement."""
_TRIES = 3
"""perf_analyzer 2.49 sometimes keeps sending for ever; it is then stopped and started again."""
_UNSTABLE = "Failed to obtain stable measurement"
"""What it says if the machine stalled in too many windows; it is then started again, too."""


def find_perf_analyzer(program: str | None = None) -> str:
    """The program: the given one, PERF_ANALYZER's, or the one on PATH.

    Raises:
        UsageError: there is none.
    """
    return find_program("perf_analyzer", PERF_ANALYZER, f"name NVIDIA's program in {PERF_ANALYZER}", program)


def perf_analyzer_rows(signature: Signature, count: int) -> list[dict[str, Any]]:
    """Inputs of requests as perf_analyzer's JSON has them.

    Args:
        signature: of the model; its inputs are numbers or texts.
        count: number of requests, each of one picture.
    """
    example: Mapping[str, Any] = signature.example(count)
    return [
        {
            field.name: {
                "content": example[field.name][row : row + 1].ravel().tolist(),
                "shape": list(example[field.name].shape[1:]) or [1],
            }
            for field in signature.inputs
        }
        for row in range(count)
    ]


class PerfAnalyzer:
    """perf_analyzer on one model.

    Args:
        program: its path.
        model: name of the model.
        addresses: protocol -> HOST:PORT.
        signature: of the model.
        folder: for its files.
    """

    def __init__(
        self, program: str, model: str, addresses: Mapping[Protocol, str], signature: Signature, folder: Path
    ) -> None:
        self._program, self._model, self._addresses = program, model, addresses
        self._data, self._report = folder / "data.json", folder / "report.csv"
        self._data.write_text(json.dumps({"data": perf_analyzer_rows(signature, _ROWS)}))

    def measure(self, protocol: Protocol, clients: int, seconds: float) -> Side:
        """Keep requests in flight.

        Args:
            protocol: how they travel.
            clients: how many.
            seconds: length of the measurement, about; its own warm-up is the first window, which counts.

        Raises:
            LithoError: the program failed, did not end, or measured nothing.
        """
        options = ["--concurrency-range", str(clients), "--max-trials", str(_MOST_WINDOWS)]
        # It stops once three windows differ by less than ten times, so after three unless the machine stalled.
        options += [
            "--stability-percentage",
            "999",
            "--measurement-interval",
            str(round(seconds * 1e3 / WINDOWS)),
        ]
        options += ["--input-data", str(self._data), "-f", str(self._report)]
        command = [
            self._program,
            "-m",
            self._model,
            "-i",
            protocol,
            "-u",
            self._addresses[protocol],
            *options,
        ]
        self._report.unlink(missing_ok=True)
        done = _run(command, limit_seconds=5 * seconds + 20)
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        if done.returncode or not self._report.exists():
            reason = " ".join((said or ["it said nothing"])[-3:])
            raise LithoError(f"perf_analyzer failed: {reason}")
        with self._report.open(newline="") as file:
            rows = list(csv.DictReader(file))
        try:
            (row,) = rows
            return Side(
                requests_per_second=float(row["Inferences/Second"]),
                p50_ms=float(row["p50 latency"]) / 1e3,
                p99_ms=float(row["p99 latency"]) / 1e3,
            )
        except (ValueError, KeyError):
            raise LithoError(f"perf_analyzer reported {rows}, which has no throughput and latency") from None


def _run(command: list[str], limit_seconds: float) -> subprocess.CompletedProcess[str]:
    done = None
    for _ in range(_TRIES):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=limit_seconds
            )
        except subprocess.TimeoutExpired:
            continue
        if not done.returncode or _UNSTABLE not in done.stdout + done.stderr:
            break
    if done is None:
        raise LithoError(f"perf_analyzer did not end within {limit_seconds:.0f} s, {_TRIES} times")
    return done
