"""How often a slowdown was found, and how often one that was none; written as `regressions.json`."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..load.comparison.effect import Effect
from ..shared.environment import Environment
from ..shared.machine import Machine

__all__ = ["SLOWDOWN", "Regressions", "Trial", "table"]


SLOWDOWN = 0.15


class Trial(Document):
    """One comparison.

    Args:
        slowdown: share by which B was made slower; 0 where B is A again.
        runs: of each side.
        effect: speed of B over that of A.
        verdict: of `litho bench compare`.
    """

    slowdown: float
    runs: int
    effect: Effect
    verdict: str

    @property
    def flagged(self) -> bool:
        """Whether B was called slower."""
        return self.verdict == "slower"


class Regressions(Document):
    """All trials.

    Args:
        schema_version: of this document.
        target: what was measured.
        batch: images in a request.
        tolerance: change that counts as none.
        trials: in the order of measurement.
        measured_at: start, UTC, ISO 8601.
        machine, environment: where.
    """

    schema_version: Literal[1] = 1
    target: str
    batch: int
    tolerance: float
    trials: tuple[Trial, ...]
    measured_at: str
    machine: Machine
    environment: Environment

    def flagged(self, planted: bool) -> tuple[int, int]:
        """Number of trials that were flagged, of how many, with a planted slowdown or without."""
        trials = [trial for trial in self.trials if bool(trial.slowdown) == planted]
        return sum(trial.flagged for trial in trials), len(trials)

    @property
    def passed(self) -> bool:
        """Whether every planted slowdown was flagged and nothing else was."""
        (found, planted), (wrong, _) = self.flagged(True), self.flagged(False)
        return found == planted and wrong == 0


def table(result: Regressions) -> list[str]:
    """The trials as a Markdown table, a row for each kind."""
    rows = []
    for name, planted in (("the same again", False), (f"made {SLOWDOWN:.0%} slower", True)):
        flagged, count = result.flagged(planted)
        effects = [trial.effect.ratio for trial in result.trials if bool(trial.slowdown) == planted]
        runs = [trial.runs for trial in result.trials if bool(trial.slowdown) == planted]
        speed = f"{min(effects):.3f} to {max(effects):.3f}" if effects else ""
        most = f"{min(runs)} to {max(runs)}" if runs else ""
        rows.append((name, f"{flagged} of {count}", speed, most))
    return markdown_table(("B", "called slower", "speed of B / A", "runs of each side"), rows)
