"""The document of the measurement: `results/ray-cluster.json`."""

from __future__ import annotations

from statistics import median
from typing import Literal

from ...bundle.json_documents import Document
from ..shared.machine import Machine

__all__ = ["Fault", "Faults", "Rate", "RayCluster"]


class Fault(Document):
    """Something that was ended while the pictures were made.

    Args:
        what: "worker", "driver" or "node".
        at: shards that were there at that moment.
    """

    what: str
    at: int


class Faults(Document):
    """A run on several nodes that was disturbed, against one in one process that was not.

    Args:
        pictures: in all.
        shards: in all.
        nodes: of the cluster, each with one CPU and one worker.
        faults: in order.
        retries: further tries of shards after the last start of the driver.
        missing: shards that were not there in the end.
        different: files whose bytes are not those of the undisturbed run, its manifest included.
        twice: pictures that the manifest names more than once.
        alone_seconds: of the undisturbed run in one process.
        seconds: of the disturbed run, from the first start to the end.
    """

    pictures: int
    shards: int
    nodes: int
    faults: tuple[Fault, ...]
    retries: int
    missing: int
    different: int
    twice: int
    alone_seconds: float
    seconds: float


class Rate(Document):
    """One run, from its first finished shard of each worker to its last.

    Args:
        where: "process" or "ray".
        workers: of one core each.
        pictures_per_second: between those moments.
        start_seconds: from the command to the first finished shard.
    """

    where: str
    workers: int
    pictures_per_second: float
    start_seconds: float


class RayCluster(Document):
    """What was measured on a cluster of this machine.

    Args:
        schema_version: of this document.
        bundle: name.
        per_shard: pictures of a shard.
        faults: the disturbed run.
        rates: runs in turns.
        problems: what was not as promised; empty if nothing.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    bundle: str
    per_shard: int
    faults: Faults
    rates: tuple[Rate, ...]
    problems: tuple[str, ...]
    machine: Machine

    def rate(self, where: str, workers: int) -> float:
        """Median of the pictures a second.

        Args:
            where, workers: see `Rate`.
        """
        return median(one.pictures_per_second for one in self._of(where, workers))

    def start_seconds(self, where: str, workers: int) -> float:
        """Median of the seconds to the first shard.

        Args:
            where, workers: see `Rate`.
        """
        return median(one.start_seconds for one in self._of(where, workers))

    @property
    def gain(self) -> float:
        """Throughput of two workers over that of one, in the cluster: median of the rounds."""
        pairs = zip(self._of("ray", 2), self._of("ray", 1), strict=True)
        return median(two.pictures_per_second / one.pictures_per_second for two, one in pairs)

    @property
    def overhead_ms(self) -> float:
        """What Ray adds to a picture of one worker, in milliseconds: median of the rounds."""
        pairs = zip(self._of("ray", 1), self._of("process", 1), strict=True)
        return median(1e3 / one.pictures_per_second - 1e3 / alone.pictures_per_second for one, alone in pairs)

    def _of(self, where: str, workers: int) -> list[Rate]:
        return [one for one in self.rates if (one.where, one.workers) == (where, workers)]
