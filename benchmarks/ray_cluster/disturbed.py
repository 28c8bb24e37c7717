"""Pictures made on several nodes of which some are lost, compared byte by byte with those of one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import LithoError
from ...files import sha256
from ...serving.generation.shards import MANIFEST_NAME
from .documents import Fault, Faults
from .nodes import Nodes

__all__ = ["Asked", "compare", "disturbed"]

_NODES = 4
_WORKER, _DRIVER, _NODE = 0.15, 0.35, 0.6
"""Shares of the shards that are there when something is ended."""

_POLL_SECONDS = 0.02
_LIMIT_SECONDS = 1800


class Asked:
    """The command that makes the pictures.

    Args:
        bundle: of the generator.
        count: pictures in all.
        per_shard: of a shard.
        fields: options for inputs without a default, such as ("--label", "0-9").
    """

    def __init__(self, bundle: Path, count: int, per_shard: int, fields: tuple[str, ...]) -> None:
        self.count, self.per_shard = count, per_shard
        self.shards = -(-count // per_shard)
        self._words = (str(bundle), "--count", str(count), "--per-shard", str(per_shard), *fields)

    def start(self, out: Path, *pool: str) -> subprocess.Popen[str]:
        """Start the command, with the options of a pool."""
        command = [
            sys.executable,
            "-m",
            "litho",
            "generate",
            *self._words,
            "--out",
            str(out),
            "--json",
            *pool,
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Wait for its end; what it printed.

        Raises:
            LithoError: it failed.
        """
        output, errors = process.communicate(timeout=_LIMIT_SECONDS)
        if process.returncode:
            raise LithoError(f"'litho generate' ended with {process.returncode}: {errors.strip()[-400:]}")
        return json.loads(output)


def disturbed(asked: Asked, folder: Path, note: Callable[[str], None]) -> Faults:
    """Make the pictures in one process, then on four nodes, of which a worker, the driver and a node are killed.

    Args:
        asked: what to make.
        folder: for both runs.
        note: shows a line.
    """
    alone, out = folder / "alone", folder / "cluster"
    note("one process, undisturbed")
    began = time.monotonic()
    asked.finish(asked.start(alone, "--threads", "1"))
    alone_seconds = time.monotonic() - began
    faults: list[Fault] = []
    with Nodes([{}] * _NODES) as nodes:
        pool = ("--ray", nodes.address, "--workers", str(_NODES))
        began = time.monotonic()
        note("four nodes: a worker is killed, then the driver")
        driver = asked.start(out, *pool)
        faults.append(_when(driver, asked, out, _WORKER, "worker", lambda: _kill_worker(nodes)))
        faults.append(_when(driver, asked, out, _DRIVER, "driver", driver.kill))
        driver.communicate()
        note("the same command again: a node is killed")
        driver = asked.start(out, *pool)
        faults.append(_when(driver, asked, out, _NODE, "node", lambda: nodes.lose(1)))
        report = asked.finish(driver)
        seconds = time.monotonic() - began
    missing, different, twice = compare(alone, out)
    return Faults(
        pictures=asked.count,
        shards=asked.shards,
        nodes=_NODES,
        faults=tuple(faults),
        retries=report["work"]["retries"],
        missing=missing,
        different=different,
        twice=twice,
        alone_seconds=round(alone_seconds, 1),
        seconds=round(seconds, 1),
    )


def _when(
    driver: subprocess.Popen[str], asked: Asked, out: Path, share: float, what: str, end: Callable[[], None]
) -> Fault:
    """Wait until so many of the shards are there, then end something."""
    while (present := len([*out.glob("*.tar")])) < share * asked.shards:
        if driver.poll() is not None:
            raise LithoError(f"'litho generate' ended early: {driver.communicate()[1].strip()[-400:]}")
        time.sleep(_POLL_SECONDS)
    end()
    return Fault(what=what, at=present)


def _kill_worker(nodes: Nodes) -> None:
    if not (workers := nodes.workers()):
        raise LithoError("no worker of the Ray cluster was found")
    os.kill(workers[0], signal.SIGKILL)


def compare(alone: Path, out: Path) -> tuple[int, int, int]:
    """Compare a disturbed run with an undisturbed one.

    Returns:
        Files of `alone` that are missing in `out`, files that differ or are only there, and pictures named twice.
    """
    expected = {path.name: sha256(path) for path in alone.iterdir() if not path.name.startswith(".")}
    found = {path.name: sha256(path) for path in out.iterdir() if not path.name.startswith(".")}
    different = sum(expected.get(name) != digest for name, digest in found.items())
    shards = json.loads((out / MANIFEST_NAME).read_text())["shards"]
    rows = [range(shard["first"], shard["first"] + shard["pictures"]) for shard in shards]
    named = sum(map(len, rows))
    return len(set(expected) - set(found)), different, named - len({number for row in rows for number in row})
