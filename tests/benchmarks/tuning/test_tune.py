"""A search keeps its trials when it is interrupted, goes on with them, and writes what `litho deploy` takes."""

from pathlib import Path
from typing import NamedTuple

import pytest

from litho.benchmarks.tuning import Goal, TuneResult, read_tuning, tune
from litho.benchmarks.tuning.documents import RESULT_NAME, SETTINGS_NAME
from litho.bundle import Bundle
from litho.errors import LithoError, UsageError
from litho.serving.configuration.settings import ServingSettings
from litho.serving.configuration.settings_file import read_settings

GOAL = Goal(concurrency=2)


class Found(NamedTuple):
    """A search that was interrupted after its first trial, and the whole of it."""

    folder: Path
    message: str
    first: TuneResult
    whole: TuneResult


@pytest.fixture(scope="module")
def found(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("tune")

    def interrupt(step: str, share: float) -> None:
        if step.startswith("trial 1"):
            raise KeyboardInterrupt

    with pytest.raises(LithoError) as interrupted:
        tune(bundle, GOAL, seconds=150, output=folder, progress=interrupt)
    first = read_tuning(folder / RESULT_NAME)
    # Over before the server of the default runs, on a machine that is slow: one more candidate is tried all the same.
    return Found(folder, str(interrupted.value), first, tune(bundle, GOAL, seconds=2, output=folder))


def test_ctrl_c_keeps_the_trials_and_says_how_to_go_on(found: Found) -> None:
    assert found.message.startswith("interrupted; 1 trials are in ")
    assert found.message.endswith("and the same command goes on with them")
    assert len(found.first.trials) == 1
    assert found.first.confirmation is None


def test_the_same_command_goes_on(found: Found) -> None:
    assert found.whole.trials[0].settings == found.first.trials[0].settings
    assert len(found.whole.trials) > 1
    assert [one.number for one in found.whole.trials] == list(range(len(found.whole.trials)))
    assert found.whole.budget_seconds == 152
    shown = [(one.variant, str(one.settings)) for one in found.whole.trials]
    assert len(set(shown)) == len(shown)


def test_every_trial_was_measured_next_to_the_default_and_its_pictures_checked(found: Found) -> None:
    for trial in found.whole.trials:
        assert trial.state != "failed", trial.reason
        assert trial.quality is not None
        assert trial.quality.checked > 0
        assert trial.quality.wrong == 0
        assert len(trial.rounds) >= 1
        for one in trial.rounds:
            assert one.default.requests > 0
            assert one.candidate.requests > 0
            assert one.candidate.cpu_ms > 0


def test_what_is_written_can_be_deployed(found: Found) -> None:
    settings = read_settings(found.folder / SETTINGS_NAME)
    assert ServingSettings(**settings)
    assert bool(settings) <= found.whole.improved
    assert found.whole.deploy.startswith("litho deploy tiny")
    assert read_tuning(found.folder / RESULT_NAME).model_dump_json() == found.whole.model_dump_json()


def test_another_search_is_refused_in_the_same_folder(found: Found, bundle: Path) -> None:
    with pytest.raises(UsageError, match="holds the trials of another bundle, goal or machine"):
        tune(bundle, Goal(aim="latency"), seconds=6, output=found.folder)


def test_a_goal_that_makes_no_sense_is_refused(bundle: Path, tmp_path: Path) -> None:
    opened = Bundle.load(bundle)
    with pytest.raises(UsageError, match="on a GPU the whole device is paid for"):
        tune(opened, Goal(aim="cost", device="cuda"), output=tmp_path)
    with pytest.raises(UsageError, match="slo_ms was given -1"):
        tune(opened, Goal(slo_ms=-1), output=tmp_path)
    with pytest.raises(UsageError, match="seconds was given 0"):
        tune(opened, Goal(), seconds=0, output=tmp_path)
