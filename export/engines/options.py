"""Options of an engine's builder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...bundle.engine_record import Profile
from ...errors import UsageError
from ...runners.base import Library

__all__ = ["TARGETS", "EngineOptions", "profiles"]

TARGETS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""Compute capabilities of NVIDIA GPUs that TensorRT-RTX builds for ahead of time."""


@dataclass(frozen=True)
class EngineOptions:
    """Options of the builder.

    Args:
        profiles: smallest, preferred and largest batch of each optimisation profile; the engine is fastest at the
            preferred batch, and memory is reserved for the largest. By default one, of the batches that the graph is
            proven with.
        workspace_bytes: limit of scratch memory; None for no limit.
        tf32: allow FP32 products to be rounded to TF32, which is faster and less exact.
        timing_cache: of an earlier build; the builder picks the kernels that it finds there.
        version_compatible: later versions of the same major version can open the engine; slightly slower.
        hardware_compatible: other GPUs can run the engine; slightly slower.
        strip_weights: leave the weights out of the engine; they are taken from the graph when it is opened.

    Raises:
        UsageError: a profile is not in order, or the limit is below 1 byte.
    """

    profiles: tuple[Profile, ...] = ()
    workspace_bytes: int | None = None
    tf32: bool = False
    timing_cache: bytes | None = None
    version_compatible: bool = False
    hardware_compatible: Literal["none", "same-capability", "ampere-and-later"] = "none"
    strip_weights: bool = False

    def __post_init__(self) -> None:
        if any(not 1 <= least <= best <= most for least, best, most in self.profiles):
            raise UsageError(
                f"profiles {self.profiles}: each is (smallest, preferred, largest) batch, from 1 upwards"
            )
        if self.workspace_bytes is not None and self.workspace_bytes < 1:
            raise UsageError(
                f"workspace of {self.workspace_bytes} bytes; give at least 1, or none for no limit"
            )

    @property
    def batches(self) -> Profile:
        """Smallest batch of all profiles, preferred batch of the first, largest batch of all."""
        return min(p[0] for p in self.profiles), self.profiles[0][1], max(p[2] for p in self.profiles)

    def within(self, batches: Profile) -> EngineOptions:
        """These options, with a profile of `batches` where none was given."""
        return self if self.profiles else replace(self, profiles=(batches,))

    def refuse_unmet(self, library: Library) -> None:
        """Refuse options that `library` does not support.

        Raises:
            UsageError: compatible engines or a timing cache, and the library has none.
        """
        compatible = self.version_compatible or self.hardware_compatible != "none"
        if compatible and not library.compatible:
            raise UsageError(
                f"{library.title} has no version- or hardware-compatible engines; build one for each target"
            )
        if self.timing_cache is not None and not library.keeps_timings:
            raise UsageError(f"{library.title} keeps no timing cache: it measures nothing while it builds")


def profiles(words: Sequence[str]) -> tuple[Profile, ...]:
    """Parse optimisation profiles of the command line.

    Args:
        words: each "smallest,preferred,largest".

    Raises:
        UsageError: one of them is not three integers.
    """
    parsed = [tuple(part.strip() for part in word.split(",")) for word in words]
    for word, parts in zip(words, parsed, strict=True):
        if len(parts) != 3 or not all(part.isdecimal() and len(part) < 10 for part in parts):
            raise UsageError(
                f"--profile was given {word!r}; it takes smallest,preferred,largest, such as 1,8,64"
            )
    return tuple((int(least), int(best), int(most)) for least, best, most in parsed)
