"""What `litho bench tune` shows: the verdict first, then the best candidates."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from . import judge
from .documents import Figures, Goal, Trial, TuneResult
from .space import Candidate

__all__ = ["lines", "table", "verdict"]

SHOWN = 8
HEADINGS = ("candidate", "gain|right", "images/s|right", "p50, ms|right", "server CPU, ms|right", "state")


def verdict(result: TuneResult) -> str:
    """What was found, in one line."""
    found = result.confirmation
    if result.winner is None or found is None:
        return f"no candidate is better than the default; keep the default: {result.default}"
    winner = _shown(result, result.trials[result.winner])
    figures = (
        f"{found.gain:.2f} times the default ({found.low:.2f} to {found.high:.2f}, {len(found.rounds)} pairs)"
    )
    if result.improved:
        return f"better than the default: {winner}: {_aim(result.goal)} {figures}"
    return (
        f"not better than the default: the best of {len(result.trials)} candidates ({winner}) has"
        f" {_aim(result.goal)} {figures}: {found.verdict}, {found.reason}; keep the default: {result.default}"
    )


def table(result: TuneResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows: the default, the best candidates, and how many are not shown."""
    rows = [_row("default", _sides(result.trials, "default"), "1.00", "")]
    best = sorted(result.trials, key=lambda trial: -judge.FAILED if trial.score is None else -trial.score)
    for trial in best[:SHOWN]:
        rows.append(
            _row(
                _shown(result, trial), _sides([trial], "candidate"), _gain(result.goal, trial), _state(trial)
            )
        )
    return HEADINGS, rows


def lines(result: TuneResult) -> list[str]:
    """What the table does not say."""
    counts = {
        state: sum(trial.state == state for trial in result.trials)
        for state in ("measured", "pruned", "failed")
    }
    return [
        f"{len(result.trials)} candidates: {', '.join(f'{count} {state}' for state, count in counts.items())};"
        f" windows of {result.window_seconds:.2g} s at concurrency {result.goal.concurrency},"
        f" batch {result.goal.batch}; the pictures of each were compared with the probes"
    ]


def _shown(result: TuneResult, trial: Trial) -> str:
    return Candidate(trial.variant, trial.settings).shown(result.default)


def _aim(goal: Goal) -> str:
    what = {
        "throughput": "throughput",
        "latency": "speed at the median latency",
        "cost": "pictures for a second of processor time",
    }
    return what[goal.aim]


def _gain(goal: Goal, trial: Trial) -> str:
    if not trial.rounds or trial.score is None:
        return "-"
    shown = f"{median(judge.gain(goal, one) for one in trial.rounds):.2f}"
    if goal.slo_ms is None:
        return shown
    return f"{shown} ({judge.within([one.candidate for one in trial.rounds]):.1%} in time)"


def _state(trial: Trial) -> str:
    return f"{trial.state}: {trial.reason}" if trial.reason else trial.state


def _sides(trials: Sequence[Trial], side: str) -> list[Figures]:
    return [getattr(one, side) for trial in trials for one in trial.rounds]


def _row(name: str, windows: Sequence[Figures], shown_gain: str, state: str) -> tuple[str, ...]:
    if not windows:
        return (name, shown_gain, "-", "-", "-", state)
    figures = (
        f"{median(one.images_per_second for one in windows):,.0f}",
        f"{median(one.p50_ms for one in windows):,.1f}",
        f"{median(one.cpu_ms for one in windows):,.2f}",
    )
    return (name, shown_gain, *figures, state)
