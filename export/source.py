"""Where what is exported comes from: its pipeline, and what a bundle says of its origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .pipeline import Pipeline

__all__ = ["Source", "from_run"]


@dataclass(frozen=True)
class Source:
    """A generator to export, with its provenance.

    Args:
        pipeline: the generator in PyTorch, in eval mode, and its stages.
        family: of the generator; of a user's own module, the name it was given by.
        preset: that trained it; None where none did.
        licence: SPDX identifier of the weights; None where unknown.
        weights_sha256: of the weights.
        settled: whether equal weights mean an equal generator. True of litho's families, whose code is as fixed as
            litho's version; a user's own code may have changed since the last export.
    """

    pipeline: Pipeline
    family: str
    preset: str | None
    licence: str | None
    weights_sha256: str
    settled: bool = True


def from_run(run: Path, input: str | None = None) -> Source:
    """The snapshot in a run's directory.

    Args:
        run: a run's directory.
        input: a key of the generator's `forms`; by default the first.

    Raises:
        CheckpointError: the snapshot cannot be used.
        UsageError: the generator has no such form.
    """
    from ..training.snapshot import load_snapshot

    snapshot = load_snapshot(run)
    info, pipeline = snapshot.info, Pipeline.of(snapshot.picture(input))
    return Source(pipeline, info.family, info.preset, info.licence, info.weights_sha256)
