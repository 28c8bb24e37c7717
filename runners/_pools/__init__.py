"""Pools: numbered pieces of work, done by several workers of this machine or of a Ray cluster."""

from __future__ import annotations

from ...errors import UsageError
from .base import Pool, Report, Seat, Work
from .local import MOST_WORKERS, LocalPool

__all__ = ["Pool", "Report", "Seat", "Work", "open_pool"]


def open_pool(
    ray: str | None = None, *, workers: int | None = None, threads: int | None = None, device: str = "cpu"
) -> Pool:
    """Open a pool of workers, a context manager.

        >>> with open_pool(workers=2) as pool:
        ...     manifest = generate_shards("bundles/digits", {"label": "0-9"}, "shards", count=2000, pool=pool)
        >>> pool.report.pieces, pool.report.retries
        (2, 0)

    Args:
        ray: address of a Ray cluster that this machine is a node of: HOST:PORT, "auto" for the one that runs here, or
            "local" to start one. None for processes of this machine.
        workers: most workers at the same time, at least 1; by default one here, and in a cluster as many as have room.
        threads: CPU cores of each worker, at least 1; by default the cores here divided by `workers`, and 1 in a
            cluster.
        device: "cpu", or "cuda": each worker gets a GPU of its own where there are enough.

    Raises:
        UsageError: a value is not allowed, or there is no cluster.
        MissingExtra: Ray is not installed.
        ClusterError: the cluster cannot be reached, or has other versions.
    """
    for name, value in (("workers", workers), ("threads", threads)):
        if value is not None and value < 1:
            raise UsageError(f"{name} was given {value}; allowed is 1 or more")
    on_gpu = device.partition(":")[0] == "cuda"
    if ray is None:
        if workers is not None and workers > MOST_WORKERS:
            raise UsageError(
                f"workers was given {workers}; one machine takes at most {MOST_WORKERS}, a Ray cluster more"
            )
        return LocalPool(workers or 1, threads, on_gpu=on_gpu)
    from .ray_pool import RayPool

    return RayPool(ray, workers, threads or 1, on_gpu=on_gpu)
