"""One run of LoadGen in a process of its own: start it, wait for it, read its logs."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from ...errors import EndpointError, EvaluationError, LithoError, UsageError
from .answering import Outcome, Plan
from .judgement import Logged
from .logs import Summary, logged_pictures, read_summary

__all__ = ["Driver", "Run"]

SEEDS = {
    "qsl_rng_seed": 3066443479025735752,
    "sample_index_rng_seed": 10688027786191513374,
    "schedule_rng_seed": 14962580496156340209,
    "accuracy_log_rng_seed": 7201387423452143851,
}
"""Which samples are asked for, when, and which are logged: the same in every measurement."""

LOGGED_PICTURES, LOGGED_BYTES = 1024, 32 << 20
"""Pictures that LoadGen is to log at random in performance mode, and their bytes; it logs fewer when the run has fewer
queries than it drew in advance."""


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Args:
        summary: what LoadGen says of it; None in accuracy mode and for a run that was given up.
        outcome: what litho counted.
        logged: the pictures of LoadGen's accuracy log.
        logs: folder of the logs.
    """

    summary: Summary | None
    outcome: Outcome
    logged: Logged
    logs: Path

    @property
    def reason(self) -> str:
        """Why the run is not valid, in one line; empty for a valid one."""
        if self.outcome.failed:
            message = next(iter(self.outcome.failed))
            return f"{sum(self.outcome.failed.values())} samples failed: {message}"
        if self.outcome.stopped or self.summary is None:
            return self.outcome.stopped or "LoadGen says nothing"
        return self.summary.reason


class Driver:
    """Starts runs of one scenario on one target.

    Args:
        plan: of which every run's settings, mode and folder are made.
        shape: of a picture.
        folder: for logs.
    """

    def __init__(self, plan: Plan, shape: tuple[int, ...], folder: Path) -> None:
        self._plan, self._shape, self._folder = plan, shape, folder
        self._numbers = itertools.count(1)

    def performance(self, settings: Mapping[str, int | float]) -> Run:
        """A run in performance mode.

        Args:
            settings: name -> value of LoadGen's `TestSettings`.

        Raises:
            EndpointError: not one request succeeded.
            LithoError: the process failed.
        """
        most = max(1, min(LOGGED_PICTURES, LOGGED_BYTES // prod(self._shape)))
        return self._run("PerformanceOnly", {**settings, "accuracy_log_sampling_target": most})

    def accuracy(self, settings: Mapping[str, int | float]) -> Run:
        """A run in accuracy mode, which asks for every sample once; see `performance`."""
        return self._run("AccuracyOnly", settings)

    def _run(self, mode: str, settings: Mapping[str, int | float]) -> Run:
        logs = self._folder / f"{next(self._numbers):02d}"
        logs.mkdir(parents=True)
        update = {"mode": mode, "settings": {**SEEDS, **settings}, "logs": str(logs)}
        outcome = _outcome(self._plan.model_copy(update=update), logs)
        if not outcome.answered:
            message = next(iter(outcome.failed), outcome.stopped)
            count = sum(outcome.failed.values())
            raise EndpointError(f"none of {count} requests succeeded; the first error: {message}")
        if outcome.stopped:
            return Run(None, outcome, [], logs)
        summary = read_summary(logs) if mode == "PerformanceOnly" else None
        return Run(summary, outcome, logged_pictures(logs, self._shape), logs)


def _outcome(plan: Plan, folder: Path) -> Outcome:
    given, made = folder / "plan.json", folder / "outcome.json"
    given.write_text(plan.model_dump_json())
    command = [sys.executable, "-P", "-m", f"{__package__}.answering", str(given), str(made)]
    # In a session of its own, Ctrl-C is for this process alone, which then ends the other.
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            _, said = running.communicate()
        except BaseException:
            running.kill()
            raise
    if running.returncode:
        lines = [line for line in said.splitlines() if line.strip()] or ["it said nothing"]
        if running.returncode in (LithoError.exit_code, UsageError.exit_code) and len(lines) == 1:
            raise (UsageError if running.returncode == UsageError.exit_code else LithoError)(lines[0])
        raise LithoError(f"the process of LoadGen ended with {running.returncode}: {lines[-1].strip()}")
    try:
        return Outcome.model_validate_json(made.read_bytes())
    except (OSError, ValueError) as error:
        raise EvaluationError(f"the process of LoadGen left no outcome ({error}); run it again") from None
