"""Throughput of one process, of one worker and of two workers of a cluster, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .disturbed import Asked
from .documents import Rate
from .nodes import Nodes

__all__ = ["rate_of", "rates"]

_FORMS = (("process", 1), ("ray", 1), ("ray", 2))


def rates(asked: Asked, folder: Path, rounds: int, note: Callable[[str], None]) -> tuple[Rate, ...]:
    """Measure each form once in every round.

    Args:
        asked: what to make.
        folder: for all runs.
        rounds: at least 1.
        note: shows a line.
    """
    found: list[Rate] = []
    with Nodes([{}] * 2) as nodes:
        for number in range(rounds):
            for where, workers in _FORMS:
                note(f"round {number + 1} of {rounds}: {where}, {workers} worker{'s' * (workers > 1)}")
                out = folder / f"{where}-{workers}-{number}"
                words = ("--ray", nodes.address, "--workers", str(workers)) if where == "ray" else ()
                began = time.time()
                asked.finish(asked.start(out, "--threads", "1", *words))
                per_second, start = rate_of(out, workers, began, asked.per_shard)
                found.append(
                    Rate(where=where, workers=workers, pictures_per_second=per_second, start_seconds=start)
                )
    return tuple(found)


def rate_of(out: Path, workers: int, began: float, per_shard: int) -> tuple[float, float]:
    """Pictures a second, and seconds to the first shard, from the times at which the shards were finished.

    The first shard of each worker is left out, because the start of the worker is in it; so are the last ones, during
    which other workers have nothing left to do.

    Args:
        out: folder of whole shards.
        workers: that made them.
        began: when the command was given, in seconds since the epoch.
        per_shard: pictures of each shard.
    """
    times = sorted(path.stat().st_mtime for path in out.glob("*.tar"))
    first, last = workers - 1, len(times) - workers
    seconds = times[last] - times[first]
    return round((last - first) * per_shard / seconds, 1), round(times[0] - began, 2)
