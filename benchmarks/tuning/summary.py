"""What `litho bench tune` shows: the verdict first, then the best candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from . import judge
from .documents import Figures, Goal, Trial, TuneResult
from .space import Candidate

__all__ = ["lines", "table", "verdict"]

SHOWN, SHOWN_REASONS = 8, 3
HEADINGS = (
    "candidate",
    "gain in the search|right",
    "images/s|right",
    "default beside it|right",
    "p50, ms|right",
    "server CPU, ms|right",
    "state",
)


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
    """Headings and rows: the default, and the best candidates."""
    rows = [_row(("default", "1.00", ""), _sides(result.trials, "default"), ())]
    best = sorted(result.trials, key=lambda trial: -judge.FAILED if trial.score is None else -trial.score)
    for trial in best[:SHOWN]:
        words = (_shown(result, trial), _gain(result.goal, trial), _state(trial))
        rows.append(_row(words, _sides([trial], "candidate"), _sides([trial], "default")))
    return HEADINGS, rows


def lines(result: TuneResult) -> list[str]:
    """What the table does not say: how many candidates there were, under which load, and why some failed."""
    counts = Counter(trial.state for trial in result.trials)
    checked = sum(trial.quality.checked for trial in result.trials if trial.quality is not None)
    reasons = Counter(trial.reason for trial in result.trials if trial.state == "failed")
    return [
        f"{len(result.trials)} candidates:"
        f" {', '.join(f'{counts[state]} {state}' for state in ('measured', 'pruned', 'failed'))};"
        f" windows of {result.window_seconds:.2g} s at concurrency {result.goal.concurrency},"
        f" batch {result.goal.batch}; {checked:,} pictures that came back under load were compared with the probes",
        *(f"failed, {count} of them: {reason}" for reason, count in reasons.most_common(SHOWN_REASONS)),
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


def _row(
    words: tuple[str, str, str], windows: Sequence[Figures], beside: Sequence[Figures]
) -> tuple[str, ...]:
    """A row of the table.

    Args:
        words: name, gain and state.
        windows: of the candidate; without any it has no figures.
        beside: those of the default in turns with them.
    """
    name, gained, state = words
    figures = (
        _median([one.images_per_second for one in windows], 0),
        _median([one.images_per_second for one in beside], 0),
        _median([one.p50_ms for one in windows], 1),
        _median([one.cpu_ms for one in windows], 2),
    )
    return (name, gained, *figures, state)


def _median(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f}" if values else "-"
