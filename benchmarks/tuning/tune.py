"""`tune`: search the serving settings of a bundle within a budget, and confirm what was found."""

from __future__ import annotations

import math
import time
from hashlib import sha256
from pathlib import Path

from ... import interrupts
from ...bundle import MANIFEST_NAME, Bundle
from ...bundle.manifest import GRADES
from ...bundle.probes import PROBES_NAME
from ...errors import LithoError, UsageError
from ...extras import require
from ...files import check_folder, write_bytes
from ...reporting.progress import Progress, quiet
from ...serving.configuration.settings_file import write_settings
from ..shared.environment import utc_now
from ..shared.machine import describe_machine
from . import judge
from .documents import RESULT_NAME, SETTINGS_NAME, Figures, Goal, Round, Trial, TuneResult, read_tuning
from .search import Asked, Search
from .serving import CandidateFailed, Side, served
from .space import Candidate, Space

__all__ = ["deploy_command", "tune"]

ROUNDS = 3
"""Rounds of a candidate in the search, and again of a finalist."""

FINALISTS = 3
MOST_PAIRS = 40
_SEARCH, _SEARCH_WITHOUT_FIND, _FINALS = 0.65, 0.85, 0.8
"""Shares of the budget at which the search and the finals end; the rest is for the confirmation."""

_WINDOWS = 300
_SHORTEST, _LONGEST = 0.2, 1.0


def tune(
    bundle: Bundle | Path | str,
    goal: Goal | None = None,
    *,
    seconds: float = 600.0,
    output: Path,
    progress: Progress = quiet,
) -> TuneResult:
    """Find the serving settings that suit a bundle on this machine.

    Every candidate is deployed into a repository of its own and served by an embedded server, its pictures are
    compared with the probes, and then it is loaded in turns with the default, so that a change of the machine's speed
    affects both. A candidate that is clearly worse is given up. The best ones are measured again, and the very best is
    compared with the default in fresh pairs: only what these say is claimed.

    Args:
        bundle: the bundle, or its directory; with its probes.
        goal: what to search for, and under which load.
        seconds: budget of this run, about; one more candidate is tried however short it is.
        output: folder for `tune.json`, written after every trial, and `settings.json`, which `litho deploy
            --settings` takes. A folder that holds the trials of the same search is continued.
        progress: called with the step and the share of the budget that is used.

    Raises:
        UsageError: the folder holds another search, or a setting of the goal is not allowed.
        MissingExtra: optuna or psutil is not installed.
        DeployError: no variant may be served with the goal's grade.
        LithoError: the default cannot be served, or no candidate could be tried.
    """
    opened = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    require("optuna", "tune")
    check_folder(output, "--output")
    return _Run(opened, goal or Goal(), seconds, output, progress).run()


class _DefaultFailed(Exception):
    """The default failed under load: nothing can be compared with it any more. It is no error of a candidate."""


class _Run:
    """One run of the search; see `tune`."""

    def __init__(self, bundle: Bundle, goal: Goal, seconds: float, output: Path, progress: Progress) -> None:
        _check(bundle, goal, seconds)
        self._bundle, self._goal, self._output = bundle, goal, output
        self._progress, self._seconds = progress, seconds
        self._space = Space.of(bundle, grade=goal.grade, variant=goal.variant, device=goal.device)
        self._window = min(_LONGEST, max(_SHORTEST, seconds / _WINDOWS))
        self._start = time.monotonic()
        self._defaults: list[Figures] = []
        self._proven: set[tuple[object, ...]] = set()
        self._result = self._begun(seconds)
        self._search = Search(self._space, self._result.trials)

    def run(self) -> TuneResult:
        try:
            with served(self._bundle, self._space.default, self._goal) as default:
                self._prove(default, self._space.default)
                default.measure(self._window)
                self._seek(default)
                winner = self._finals(default)
                if winner is not None:
                    self._confirm(winner, default)
        except KeyboardInterrupt:
            interrupts.taken()
            raise LithoError(f"interrupted; {self._where()}") from None
        except CandidateFailed as error:  # those of candidates are caught where they are tried
            raise LithoError(f"the default cannot be served: {error}") from error
        except _DefaultFailed as error:
            raise LithoError(f"the default failed under load ({error}); {self._where()}") from error
        self._finish()
        if not self._result.trials:
            raise LithoError("the default is the only candidate of this goal; nothing was searched")
        return self._result

    def _begun(self, seconds: float) -> TuneResult:
        """The document of this run, with the trials of an earlier one that searched for the same."""
        content = (self._bundle.path / MANIFEST_NAME).read_bytes()
        result = TuneResult(
            bundle=self._bundle.manifest.name,
            manifest_sha256=sha256(content).hexdigest(),
            goal=self._goal,
            command=_command(self._bundle.manifest.name, self._goal, seconds),
            measured_at=utc_now(),
            machine=describe_machine(),
            budget_seconds=seconds,
            window_seconds=self._window,
            default=self._space.default.variant,
        )
        if not (self._output / RESULT_NAME).exists():
            return result
        before = read_tuning(self._output / RESULT_NAME)
        if _question(before) != _question(result):
            raise UsageError(
                f"--output was given {str(self._output)!r}, which holds the trials of another bundle, goal or machine;"
                " give another folder"
            )
        return result.model_copy(
            update={"trials": before.trials, "budget_seconds": before.budget_seconds + seconds}
        )

    def _seek(self, default: Side) -> None:
        """Try candidates, one at least, until the share of the budget for the search is used."""
        durations: list[float] = []
        while (
            not durations
            or self._used() + sum(durations) / len(durations) / self._seconds < self._search_share()
        ):
            asked = self._search.ask()
            if asked is None:
                return
            began = time.monotonic()
            number = len(self._result.trials)
            self._report(f"trial {number}: {asked.candidate.shown(self._space.default.variant)}")
            trial = self._try(number, asked, default)
            self._search.tell(asked, trial.score)
            self._keep(trials=(*self._result.trials, trial))
            durations.append(time.monotonic() - began)

    def _search_share(self) -> float:
        """Share of the budget for the search; more while nothing beats the default, as nothing has to be confirmed."""
        found = any((trial.score or judge.FAILED) > self._par() for trial in self._result.trials)
        return _SEARCH if found else _SEARCH_WITHOUT_FIND

    def _try(self, number: int, asked: Asked, default: Side) -> Trial:
        candidate, rounds = asked.candidate, list[Round]()
        state, reason = "measured", ""
        side = None
        try:
            with served(self._bundle, candidate, self._goal) as side:
                self._prove(side, candidate)
                side.measure(self._window / 2)  # a server's first requests are slow
                for _ in range(ROUNDS):
                    rounds.append(self._pair(side, default, len(rounds)))
                    gains = [judge.gain(self._goal, one) for one in rounds]
                    if judge.clearly_worse(gains, self._best()):
                        state, reason = "pruned", f"clearly worse in round {len(rounds)}"
                        break
        except LithoError as error:
            state, reason = "failed", str(error)
        return Trial(
            number=number,
            variant=candidate.variant,
            settings=dict(candidate.settings),
            parameters=dict(asked.parameters),
            state=state,
            reason=reason,
            score=None if state == "failed" else judge.score(self._goal, rounds),
            rounds=tuple(rounds),
            quality=side and side.quality,
            start_seconds=side and side.start_seconds,
        )

    def _prove(self, side: Side, candidate: Candidate) -> None:
        """Replay all probes, once for each variant and form: pictures are checked under load, too."""
        form = (candidate.variant, candidate.settings.get("batching"))
        if form not in self._proven:
            side.replay()
            self._proven.add(form)

    def _pair(self, side: Side, default: Side, number: int) -> Round:
        """Two windows in turns, whose order changes from pair to pair."""
        order: list[tuple[str, Side]] = [("candidate", side), ("default", default)]
        found: dict[str, Figures] = {}
        for name, one in order[:: -1 if number % 2 else 1]:
            try:
                found[name] = one.measure(self._window)
            except LithoError as error:
                if one is default:
                    raise _DefaultFailed(str(error)) from error
                raise
        self._defaults.append(found["default"])
        return Round(**found)

    def _finals(self, default: Side) -> Trial | None:
        """Measure the best candidates again, and return the best; None if none seems better than the default."""
        better = sorted(
            (trial for trial in self._result.trials if (trial.score or judge.FAILED) > self._par()),
            key=lambda trial: trial.score or 0.0,
            reverse=True,
        )[:FINALISTS]
        if len(better) > 1:
            for trial in better:
                if self._used() < _FINALS:
                    self._report(f"final of trial {trial.number}")
                    self._again(trial, default)
        best = [self._result.trials[trial.number] for trial in better]
        winner = max(best, key=lambda trial: trial.score or judge.FAILED, default=None)
        return winner if winner is not None and (winner.score or judge.FAILED) > self._par() else None

    def _again(self, trial: Trial, default: Side) -> None:
        """Judge a finalist by further rounds too."""
        rounds = list(trial.rounds)
        try:
            with served(self._bundle, _candidate(trial), self._goal) as side:
                side.measure(self._window / 2)
                for _ in range(ROUNDS):
                    rounds.append(self._pair(side, default, len(rounds)))
        except LithoError as error:
            self._fail(trial, f"it failed when it was measured again ({error})")
            return
        self._replace(trial, rounds=tuple(rounds), score=judge.score(self._goal, rounds))

    def _fail(self, trial: Trial, reason: str) -> None:
        self._replace(trial, score=None, state="failed", reason=reason)

    def _replace(self, trial: Trial, **update: object) -> None:
        changed = trial.model_copy(update=update)
        self._keep(
            trials=tuple(changed if one.number == trial.number else one for one in self._result.trials)
        )

    def _confirm(self, winner: Trial, default: Side) -> None:
        """Fresh pairs of the winner and the default until the budget is used."""
        rounds: list[Round] = []
        try:
            with served(self._bundle, _candidate(winner), self._goal) as side:
                side.replay()
                side.measure(self._window)
                while len(rounds) < judge.FEWEST_PAIRS or (self._used() < 1 and len(rounds) < MOST_PAIRS):
                    self._report(f"confirmation of trial {winner.number}: pair {len(rounds) + 1}")
                    rounds.append(self._pair(side, default, len(rounds)))
        except LithoError as error:
            self._fail(winner, f"it failed when it was to be confirmed ({error})")
            return
        self._keep(winner=winner.number, confirmation=judge.confirmed(self._goal, rounds))

    def _par(self) -> float:
        """The default's own score."""
        return judge.score_of_default(self._goal, self._defaults)

    def _best(self) -> float:
        """The best score so far of what keeps the goal; 0 if nothing does."""
        scores = [trial.score for trial in self._result.trials if trial.score is not None]
        return max([0.0, self._par(), *scores])

    def _where(self) -> str:
        count = len(self._result.trials)
        if not count:
            return "no trial had ended; run the same command again"
        return f"{count} trials are in {self._output / RESULT_NAME}, and the same command goes on with them"

    def _used(self) -> float:
        """Share of the budget that is used."""
        return (time.monotonic() - self._start) / self._seconds

    def _report(self, step: str) -> None:
        self._progress(step, min(1.0, self._used()))

    def _keep(self, **update: object) -> None:
        """Change the document, and write it."""
        self._result = self._result.model_copy(update=update)
        write_bytes(self._output / RESULT_NAME, self._result.model_dump_json(indent=1) + "\n")

    def _finish(self) -> None:
        """Write the settings: those of the winner if it is confirmed, or else none, which are the default."""
        result = self._result
        winner = result.trials[result.winner] if result.winner is not None and result.improved else None
        candidate = self._space.default if winner is None else _candidate(winner)
        write_settings(self._output / SETTINGS_NAME, candidate.settings)
        self._keep(deploy=deploy_command(result, result.bundle, SETTINGS_NAME))


def deploy_command(result: TuneResult, bundle: Path | str, settings: Path | str) -> str:
    """The command that serves what was found best.

    Args:
        result: of the search.
        bundle: path of the bundle.
        settings: path of the file of settings.
    """
    if not result.improved or result.winner is None:
        return f"litho deploy {bundle}"
    words = ["litho deploy", str(bundle)]
    variant = result.trials[result.winner].variant
    if variant != result.default:
        words += ["--variant", variant]
    if result.goal.grade != GRADES[0]:
        words += ["--grade", result.goal.grade.replace(" ", "-")]
    if result.trials[result.winner].settings:
        words += ["--settings", str(settings)]
    return " ".join(words)


def _check(bundle: Bundle, goal: Goal, seconds: float) -> None:
    if not 0 < seconds < math.inf:
        raise UsageError(f"seconds was given {seconds:g}; allowed is a number above 0")
    if goal.slo_ms is not None and goal.slo_ms <= 0:
        raise UsageError(f"slo_ms was given {goal.slo_ms:g}; allowed is a number above 0")
    if goal.aim == "cost" and goal.device != "cpu":
        raise UsageError(
            "aim 'cost' counts processor time, and on a GPU the whole device is paid for: aim at 'throughput'"
        )
    if PROBES_NAME not in bundle.manifest.files:
        raise UsageError(f"{bundle.path} has no probes to check pictures with; export it again")


def _question(result: TuneResult) -> tuple[object, ...]:
    """What the trials of two runs must have in common."""
    machine = result.machine
    return (result.manifest_sha256, result.goal, machine.processor, machine.cores, machine.gpus)


def _candidate(trial: Trial) -> Candidate:
    settings = {
        name: tuple(value) if isinstance(value, list) else value for name, value in trial.settings.items()
    }
    return Candidate(trial.variant, settings)


def _command(name: str, goal: Goal, seconds: float) -> str:
    words = [f"litho bench tune {name} --aim {goal.aim} --seconds {seconds:g}"]
    words += [f"--concurrency {goal.concurrency} --batch {goal.batch}"]
    given = {"slo-ms": goal.slo_ms, "variant": goal.variant}
    words += [f"--{option} {value}" for option, value in given.items() if value is not None]
    if goal.grade != GRADES[0]:
        words.append(f"--grade {goal.grade.replace(' ', '-')}")
    if goal.device != "cpu":
        words.append(f"--device {goal.device}")
    return " ".join(words)
