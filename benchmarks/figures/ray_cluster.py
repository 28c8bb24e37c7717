"""docs/clusters.md: pictures made on a Ray cluster that loses parts, and its throughput."""

from __future__ import annotations

from ..ray_cluster.documents import RayCluster
from .base import Results, paragraph, table, whole

__all__ = ["write"]

_HEAD = ("where", "workers", "pictures/s", "seconds to the first shard")
_TITLES = {"process": "this process, without Ray", "ray": "Ray"}


def write(results: Results) -> dict[str, str]:
    """The table of throughputs, `gain` with its summary, and `faults` with the disturbed run."""
    found = results.document(RayCluster, "ray-cluster")
    forms = dict.fromkeys((one.where, one.workers) for one in found.rates)
    faults = found.faults
    lost = ", ".join(f"the {one.what} at shard {one.at}" for one in faults.faults)
    same = "every file had" if not faults.different else f"all files but {faults.different} had"
    wrong = "" if not found.problems else f" **Not as promised: {'; '.join(found.problems)}.**"
    machine = found.machine.said
    return {
        "": table(
            _HEAD,
            (
                (
                    _TITLES[where],
                    f"{workers}",
                    whole(found.rate(where, workers)),
                    f"{found.start_seconds(where, workers):.1f}",
                )
                for where, workers in forms
            ),
        ),
        "gain": paragraph(
            f"Two workers make {found.gain:.2f} times as many pictures as one; Ray adds {found.overhead_ms:.3f} ms to"
            f" a picture. Medians of {len(found.rates) // len(forms)} rounds in turns, bundle {found.bundle} on"
            f" {machine}, shards of {found.per_shard}."
        ),
        "faults": paragraph(
            f"{whole(faults.pictures)} pictures in {faults.shards} shards on {faults.nodes} nodes of one machine;"
            f" killed were {lost}. After the same command again {same} the bytes of a run in one process;"
            f" {faults.missing} shards were missing and {faults.twice} pictures there twice."
            f" {whole(faults.alone_seconds)} s in one process, {whole(faults.seconds)} s in the cluster, the losses"
            f" included.{wrong}"
        ),
    }
