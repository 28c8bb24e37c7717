"""What to try next: optuna's tree-structured Parzen estimator over a space of candidates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...extras import require
from . import judge
from .documents import Trial
from .space import Candidate, Choice, Space

__all__ = ["Asked", "Search"]

_RANDOM = 8
"""Trials before the estimator has a say."""

_REPEATS = 60
"""Candidates in a row that were tried before: then the space counts as exhausted."""


@dataclass
class Asked:
    """A candidate to try.

    Args:
        candidate: to try.
        parameters: of the search: name -> value.
        trial: of optuna.
    """

    candidate: Candidate
    trial: Any
    parameters: dict[str, Choice] = field(default_factory=dict)


class Search:
    """Proposes candidates, none of them twice, and learns from what was measured.

    Args:
        space: of the candidates.
        trials: of earlier runs of the same search, which are known already.

    Raises:
        MissingExtra: optuna is not installed.
    """

    def __init__(self, space: Space, trials: Sequence[Trial] = ()) -> None:
        self._optuna: Any = require("optuna", "tune")
        self._space = space
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some options are experimental
            sampler = self._optuna.samplers.TPESampler(
                n_startup_trials=_RANDOM, multivariate=True, group=True, seed=len(trials)
            )
        self._study: Any = self._optuna.create_study(direction="maximize", sampler=sampler)
        self._known: dict[tuple[Any, ...], float] = {space.default.key: 1.0}
        for trial in trials:
            self._add(trial)
        for parameters in space.first():
            self._study.enqueue_trial(parameters)

    def ask(self) -> Asked | None:
        """A candidate that was not tried yet; None if there seem to be no more."""
        for _ in range(_REPEATS):
            trial = self._study.ask()
            asked = Asked(Candidate("", {}), trial)

            def choose(name: str, choices: Sequence[Choice], asked: Asked = asked) -> Choice:
                asked.parameters[name] = asked.trial.suggest_categorical(name, choices)
                return asked.parameters[name]

            asked.candidate = self._space.draw(choose)
            known = self._known.get(asked.candidate.key)
            if known is None:
                return asked
            self._study.tell(trial, known)
        return None

    def tell(self, asked: Asked, score: float | None) -> None:
        """What became of a candidate; None for one that cannot be served."""
        given = judge.FAILED if score is None else score
        self._known[asked.candidate.key] = given
        self._study.tell(asked.trial, given)

    def _add(self, trial: Trial) -> None:
        """Learn from a trial of an earlier run."""
        given = judge.FAILED if trial.score is None else trial.score
        settings = {
            name: tuple(value) if isinstance(value, list) else value for name, value in trial.settings.items()
        }
        self._known[Candidate(trial.variant, settings).key] = given
        distributions = {
            name: self._optuna.distributions.CategoricalDistribution(self._space.choices(name))
            for name in trial.parameters
        }
        self._study.add_trial(
            self._optuna.create_trial(params=trial.parameters, distributions=distributions, value=given)
        )
