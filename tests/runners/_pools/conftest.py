"""Toy work that workers can import, and one Ray cluster of two nodes in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def _toys() -> Iterator[None]:
    sys.path.append(str(HERE))
    yield
    sys.path.remove(str(HERE))


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Address of a cluster of a head without CPUs and two nodes of one CPU; the second is called `lacking`."""
    pytest.importorskip("ray")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(HERE)))}
    process = subprocess.Popen(
        [sys.executable, HERE / "ray_nodes.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        words = next((line.split() for line in process.stdout if line.startswith("READY ")), [])
        assert words, "the cluster did not start"
        try:
            yield words[1]
        finally:
            process.stdin.close()
            process.wait(60)
