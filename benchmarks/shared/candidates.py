"""Prove and time several ways to make the same pictures, side by side on one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

from ...bundle.manifest import Sampler, Timing, Verdict
from ...bundle.probes import Probes
from ...export.timing import time_in_turns
from ...parity.gate import limits
from ...parity.replay import REPLAY_BATCHES, Open, prove
from ...reporting.progress import Progress

__all__ = ["Candidate", "prove_and_time"]


@dataclass(frozen=True)
class Candidate:
    """What is to be proven and timed.

    Args:
        precision: its gate judges the pictures.
        opens: opens the runner.
        sampler: of the generator, if it has one.
        batches: pictures at a time in the replay of the probes; fewer of what is compiled anew for each.
    """

    precision: str
    opens: Open
    sampler: Sampler | None = None
    batches: tuple[int, ...] = REPLAY_BATCHES

    def prove(self, probes: Probes) -> Verdict:
        """Replay the probes."""
        gate = limits(self.precision, sampler=self.sampler)
        return prove(self.opens, probes, gate, batches=self.batches).verdict


def prove_and_time(
    candidates: Mapping[str, Candidate], probes: Probes, progress: Progress
) -> dict[str, tuple[Verdict, tuple[Timing, ...]]]:
    """Replay the probes through each candidate, then time all that made pictures, in turns of random order.

    Args:
        candidates: name -> candidate.
        probes: with PyTorch's pictures.
        progress: called with the current step and the share that is done, 0 to 1.

    Returns:
        Name -> verdict, and timings for each of `export.timing.batches_of`; without pictures there are none.
    """
    verdicts: dict[str, Verdict] = {}
    for number, (name, one) in enumerate(candidates.items()):
        progress(f"replaying {name}", number / len(candidates))
        verdicts[name] = one.prove(probes)
    able = {name: candidates[name].opens for name, verdict in verdicts.items() if verdict.figures}
    # A fixed order would let each be disturbed by the same neighbour in every round.
    timings = time_in_turns(able, partial(progress, "timing all in turns"), Random(0))
    return {name: (verdict, timings.get(name, ())) for name, verdict in verdicts.items()}
