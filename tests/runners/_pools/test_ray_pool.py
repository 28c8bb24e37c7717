"""A pool of a real cluster of two nodes: in a process of its own, because Ray changes the one that it runs in."""

from __future__ import annotations

import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litho.runners._pools import ray_pool
from litho.runners._pools.outcomes import Outcome

HERE = Path(__file__).parent

DRIVER = """
import json, sys, dataclasses
from pathlib import Path
from litho.runners._pools import open_pool
from litho.runners._pools import ray_pool
from litho_toys import Squares

folder, found = Path(sys.argv[2]), {}

def refusal(**faults):
    try:
        list(pool.run(Squares(folder, **faults), range(2)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

with open_pool(sys.argv[1], workers=2) as pool:
    progress = []
    found["answers"] = sorted(pool.run(Squares(folder, dies=[5], busy=[3]), range(8), progress.append))
    found["report"], found["progress"] = dataclasses.asdict(pool.report), progress[-1]
    found["wrong"] = refusal(wrong=[1])
    found["lacking"] = refusal(of_all_nodes=True)
    ray_pool.__version__ = "0.0.1"
    found["version"] = refusal()
print(json.dumps(found))
"""


@pytest.mark.slow
def test_a_lost_worker_is_replaced_and_every_refusal_names_its_node(ray_address: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, ray_address, tmp_path],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(HERE)))},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["answers"] == [[number, [number**2, 1]] for number in range(8)]
    assert (tmp_path / "dies-5").exists()
    # The piece of the lost worker was begun again, and perhaps the one handed to it after that.
    assert (found["report"]["pieces"], found["progress"]) == (8, 8)
    assert found["report"]["retries"] >= 2
    assert found["wrong"].startswith("InvalidInput: node ")
    assert found["wrong"].endswith(": number 1 is wrong")
    assert found["lacking"] == (
        "ClusterError: node lacking of the Ray cluster: there is no bundle or run at /models/digits; copy it there"
    )
    assert "it has litho " in found["version"]
    assert found["version"].endswith("and the driver 0.0.1; install the same version on both")


class LostData:
    """A data set whose iteration cannot be ended without the cluster, like Ray's."""

    def iter_batches(self, **options: Any) -> Iterator[dict[str, list[Any]]]:
        try:
            yield {"number": [0], "outcome": [pickle.dumps(Outcome(0))]}
            yield {"number": [1], "outcome": [pickle.dumps(Outcome(1))]}
        finally:
            raise RuntimeError("Ray has not been started yet")


def test_a_pool_that_ends_before_its_work_prints_no_traceback() -> None:
    outcomes, stop = queue.Queue[Any](), threading.Event()
    stop.set()
    ray_pool._collect(LostData(), outcomes, stop)  # an error that Python had to print would fail the test
    assert outcomes.get_nowait() == [(0, Outcome(0))]
    assert str(outcomes.get_nowait()) == "Ray has not been started yet"
