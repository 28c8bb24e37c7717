"""How trainings of several processes differ from the same by one; written as `distributed-training.json`."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..shared.machine import Machine

__all__ = ["MOST_AT_FIRST", "DistributedTraining", "Kill", "Training", "table"]

MOST_AT_FIRST = 1e-4
"""Largest relative difference of a statistic in the first steps, before Adam has divided rounding by itself."""


class Training(Document):
    """One training by several processes.

    Args:
        preset: that was trained.
        parallel: "ddp" or "fsdp".
        micro_batch: most images of a forward pass; 0 for a whole share.
        processes: number of processes.
        steps: that were compared.
        at_first: largest relative difference of a statistic in the first five steps from that of one process.
        at_last: the same in all steps.
        images_per_second: median of the steps but the first, on one machine that all processes share.
    """

    preset: str
    parallel: str
    micro_batch: int
    processes: int
    steps: int
    at_first: float
    at_last: float
    images_per_second: float


class Kill(Document):
    """A sharded training of which one process was killed.

    Args:
        processes: number of processes.
        killed_at_nimg: images trained on when it was killed.
        continued_at_nimg: images of the checkpoint that all went on from.
        lost_seconds: from the kill to the first step that had not been made before.
        same_weights: whether the snapshot is that of the training that nobody killed, bit for bit.
    """

    processes: int
    killed_at_nimg: int
    continued_at_nimg: int
    lost_seconds: float
    same_weights: bool


class DistributedTraining(Document):
    """All of it; written as `distributed-training.json`."""

    schema_version: Literal[1] = 1
    trainings: tuple[Training, ...]
    kill: Kill
    machine: Machine

    @property
    def problems(self) -> list[str]:
        """What is not as it should be."""
        far = [
            f"{one.preset} by {one.processes} processes ({one.parallel}) differs by {one.at_first:.1e} at first"
            for one in self.trainings
            if one.at_first > MOST_AT_FIRST
        ]
        return far + ([] if self.kill.same_weights else ["the killed training has other weights"])


def table(result: DistributedTraining) -> list[str]:
    """The result as lines of Markdown."""
    head = ("preset", "weights", "parts of", "processes", "first steps", "all steps", "images/s")
    rows = [
        (
            one.preset,
            one.parallel,
            str(one.micro_batch or "-"),
            str(one.processes),
            f"{one.at_first:.0e}",
            f"{one.at_last:.0e}",
            f"{one.images_per_second:.0f}",
        )
        for one in result.trainings
    ]
    kill, same = result.kill, "the same weights" if result.kill.same_weights else "OTHER WEIGHTS"
    return [
        *markdown_table(head, rows),
        "",
        f"killed at {kill.killed_at_nimg} images, continued at {kill.continued_at_nimg}: {same};"
        f" {kill.lost_seconds:.1f} s to the first new step",
    ]
