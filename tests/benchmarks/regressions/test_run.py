import time

import numpy as np
import pytest

from litho.benchmarks.regressions.documents import table
from litho.benchmarks.regressions.run import LEAST_RUNS, SlowRunner, measure


def test_a_slowed_runner_gives_the_same_pictures_and_takes_longer_by_its_share(planted_runner):
    inner = planted_runner(seconds=0.002)
    inputs = inner.signature.example(2)
    spent = []

    def timed(arrays):
        began = time.perf_counter()
        answer = planted_runner._execute(inner, arrays)
        spent.append(time.perf_counter() - began)
        return answer

    inner._execute = timed
    slow = SlowRunner(inner, 0.5)
    (pictures,), (expected,) = slow.run(inputs).values(), inner.run(inputs).values()
    np.testing.assert_array_equal(pictures, expected)
    assert slow.last_ms >= 1.5 * spent[0] * 1e3


@pytest.fixture(scope="module")
def result(planted_runner):
    return measure(planted_runner(), trials=1, batch=1, seconds=0.004, most_runs=LEAST_RUNS)


def test_trials_are_measured_in_turns_and_counted_by_kind(result):
    assert [trial.slowdown for trial in result.trials] == [0.0, 0.15]
    assert all(trial.runs == LEAST_RUNS == trial.effect.pairs for trial in result.trials)
    assert result.flagged(True)[1] == result.flagged(False)[1] == 1
    assert len(table(result)) == 4
