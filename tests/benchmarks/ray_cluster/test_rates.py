"""Throughput from the times at which shards were finished, without starts and ends."""

import os
from pathlib import Path

from litho.benchmarks.ray_cluster.rates import rate_of


def test_starts_and_ends_are_left_out(tmp_path: Path) -> None:
    # Two workers: their first shards after 5 and 6 s, then a shard a second, and a lonely last one.
    for number, at in enumerate((5.0, 6.0, 7.0, 8.0, 9.0, 12.0)):
        path = tmp_path / f"{number:05d}.tar"
        path.write_bytes(b"")
        os.utime(path, (1000 + at, 1000 + at))
    assert rate_of(tmp_path, 2, 1000.0, 50) == (50.0, 5.0)
