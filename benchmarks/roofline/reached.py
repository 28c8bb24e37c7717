"""The roofline of a piece of work: what it allows on a machine, and what was reached.

A roofline (Williams, Waterman and Patterson 2009) bounds the operations a second of a piece of work by the machine's
peak, and by its bandwidth times the operations for each byte. The share reached is the measured rate over that bound.
Layers of several precisions take the time of each at its own peak. Bandwidth is that of the work's working set, as in
a roofline that knows caches (Ilic, Pratas and Sousa 2014): weights that stay in a cache are not read from memory.
"""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from .ceilings import Ceilings
from .work import Work

__all__ = ["Reached", "reached"]


class Reached(Document):
    """A stage, or all stages of a picture, at one batch.

    Args:
        batch: pictures.
        milliseconds: median of a run.
        runs: that were timed.
        operations: of the run.
        intensity: operations for each byte; 0 of all stages together.
        bound_ms: least time by the roofline.
        bound: what sets it: "compute" or "memory"; "none" without operations.
        share: `bound_ms` over `milliseconds`; None without operations.
    """

    batch: int
    milliseconds: float
    runs: int
    operations: float
    intensity: float
    bound_ms: float
    bound: Literal["compute", "memory", "none"]
    share: float | None

    @property
    def per_second(self) -> float:
        """Operations a second."""
        return self.operations / self.milliseconds * 1e3


def reached(
    work: Work, runtime: str, ceilings: Ceilings, batch: int, milliseconds: float, runs: int
) -> Reached:
    """Hold a measured time against the roofline.

    Args:
        work: of one call.
        runtime: that ran it.
        ceilings: of the machine.
        batch: pictures.
        milliseconds: of a call.
        runs: that were timed.
    """
    compute = 1e3 * sum(
        batch * count / ceilings.peak(runtime, name).per_second for name, count in work.operations.items()
    )
    memory = 1e3 * work.bytes(batch) / ceilings.bandwidth(work.working_set(batch)).per_second
    bound_ms = max(compute, memory) if work.all_operations else 0.0
    return Reached(
        batch=batch,
        milliseconds=milliseconds,
        runs=runs,
        operations=batch * work.all_operations,
        intensity=work.intensity(batch),
        bound_ms=bound_ms,
        bound=("compute" if compute >= memory else "memory") if bound_ms else "none",
        share=bound_ms / milliseconds if bound_ms else None,
    )
