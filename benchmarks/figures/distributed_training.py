"""docs/training-at-scale.md: trainings of several processes beside one, and a killed process."""

from __future__ import annotations

from ..distributed_training.documents import DistributedTraining
from .base import Results, paragraph, table

__all__ = ["write"]

_HEAD = ("preset", "weights", "parts of, images", "processes", "first steps", "all steps")


def write(results: Results) -> dict[str, str]:
    """The table of differences, and `kill` with what a killed process cost."""
    found = results.document(DistributedTraining, "distributed-training")
    kill = found.kill
    same = "the same weights, bit for bit" if kill.same_weights else "**other weights**"
    steps = " and ".join(sorted({str(one.steps) for one in found.trainings}))
    machine = f"{found.machine.processor}, {found.machine.cores} cores"
    wrong = "" if not found.problems else f" **Not as promised: {'; '.join(found.problems)}.**"
    return {
        "": table(
            _HEAD,
            (
                (
                    f"`{one.preset}`",
                    one.parallel,
                    str(one.micro_batch or ""),
                    str(one.processes),
                    f"{one.at_first:.0e}",
                    f"{one.at_last:.0e}",
                )
                for one in found.trainings
            ),
        ),
        "kill": paragraph(
            f"Largest relative difference of any statistic from the training of one process, in the first five and in"
            f" all {steps} steps, on {machine}. One of {kill.processes} processes with sharded weights was killed at"
            f" {kill.killed_at_nimg} images; all went on from {kill.continued_at_nimg}, took the first new step after"
            f" {kill.lost_seconds:.0f} s, and ended with {same}.{wrong}"
        ),
    }
