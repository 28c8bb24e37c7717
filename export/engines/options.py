"""What can be asked of an engine's builder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...bundle.engine_record import Profile
from ...errors import UsageError
from ...runners.base import Library

__all__ = ["TARGETS", "EngineOptions", "profiles"]

TARGETS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""Compute capabilities of NVIDIA GPUs that TensorRT-RTX builds for ahead of time."""


@dataclass(frozen=True)
class EngineOptions:
    """How an engine is built.

    Args:
        profiles: batches, smallest, preferred and largest, of each optimisation profile; the engine is fastest at
            the preferred one, and memory is set aside for the largest.
        workspace_bytes: limit of scratch memory; None for all that the GPU has.
        tf32: let FP32 products be rounded to TF32, which is faster and no longer FP32.
        timing_cache: that an earlier build ended with; a build that finds its kernels there picks the same ones.
        version_compatible: an engine that later versions of the same major one open too, somewhat slower.
        hardware_compatible: an engine for other GPUs than the one it is built on, somewhat slower.
        strip_weights: leave the weights out of the engine; they are put back from the graph when it is opened.

    Raises:
        UsageError: profiles that are none, or a limit of no bytes.
    """

    profiles: tuple[Profile, ...] = ((1, 8, 64),)
    workspace_bytes: int | None = None
    tf32: bool = False
    timing_cache: bytes | None = None
    version_compatible: bool = False
    hardware_compatible: Literal["none", "same-capability", "ampere-and-later"] = "none"
    strip_weights: bool = False

    def __post_init__(self) -> None:
        if not self.profiles or any(not 1 <= least <= best <= most for least, best, most in self.profiles):
            raise UsageError(
                f"profiles {self.profiles}: each is (smallest, preferred, largest) batch, from 1 upwards"
            )
        if self.workspace_bytes is not None and self.workspace_bytes < 1:
            raise UsageError(
                f"workspace of {self.workspace_bytes} bytes; give at least 1, or none for no limit"
            )

    @property
    def batches(self) -> Profile:
        """Smallest batch of any profile, preferred one of the first, largest of any."""
        return min(p[0] for p in self.profiles), self.profiles[0][1], max(p[2] for p in self.profiles)

    def refuse_unmet(self, library: Library) -> None:
        """Refuse, in one line, what `library` has not.

        Raises:
            UsageError: compatible engines, or a timing cache, of a library without them.
        """
        compatible = self.version_compatible or self.hardware_compatible != "none"
        if compatible and not library.compatible:
            raise UsageError(
                f"{library.title} has no version- or hardware-compatible engines; build one for each target"
            )
        if self.timing_cache is not None and not library.keeps_timings:
            raise UsageError(f"{library.title} keeps no timing cache: it measures nothing while it builds")


def profiles(words: Sequence[str]) -> tuple[Profile, ...]:
    """Optimisation profiles as they are written on a command line.

    Args:
        words: each "smallest,preferred,largest".

    Raises:
        UsageError: one is not three whole numbers.
    """
    parsed = [tuple(part.strip() for part in word.split(",")) for word in words]
    for word, parts in zip(words, parsed, strict=True):
        if len(parts) != 3 or not all(part.isdecimal() for part in parts):
            raise UsageError(
                f"--profile was given {word!r}; it takes smallest,preferred,largest, such as 1,8,64"
            )
    return tuple((int(least), int(best), int(most)) for least, best, most in parsed)
