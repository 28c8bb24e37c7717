from types import SimpleNamespace

import numpy as np
import pytest

from litho.benchmarks.mlperf.answering import open_system
from litho.benchmarks.mlperf.answers import MAX_FAILURES
from litho.benchmarks.mlperf.samples import Samples
from litho.errors import LithoError
from litho.runners import open_runner
from litho.runners.triton import Runner as TritonRunner


def query(*numbers: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(id=1000 + number, index=number) for number in numbers]


def expected(samples: Samples, number: int) -> bytes:
    bank, at = samples.bank_of(number)
    return bank.images[at].tobytes()


@pytest.mark.parametrize("where", ["in this process", "behind a server", "behind a runner"])
@pytest.mark.parametrize("window", [None, 2])
def test_each_sample_gets_its_own_picture(where, window, samples, collected, bundle, planted_server) -> None:
    answers = collected()
    with open_runner(bundle if where == "in this process" else planted_server.url) as runner:
        # A model that streams has no message that could be written beforehand.
        runner.decoupled = where == "behind a runner"
        system = open_system(runner, samples, answers, window)
        runner.decoupled = False
        assert system.warm_up(2, 0.01) > 0
        system.issue(query(5))
        system.issue(query(*range(60, 104)))
        system.issue(query(0, 1, 2, 3, 4, 6, 7, 8))
        answers.wait(53)
    pictures = {one - 1000: picture for one, picture in answers.taken.items()}
    off = [
        np.frombuffer(pictures[number], np.uint8).astype(int)
        - np.frombuffer(expected(samples, number), np.uint8)
        for number in pictures
    ]
    assert max(np.abs(one).max() for one in off) <= 1
    assert (answers.answered, answers.waiting, dict(answers.failed), answers.given_up) == (53, 0, {}, [])


def test_a_failed_request_is_an_empty_answer_and_counted(samples, collected, planted_server) -> None:
    planted_server.fail_every = 2
    answers = collected()
    with TritonRunner.from_location(planted_server.url, "cpu") as runner:
        system = open_system(runner, samples, answers)
        for number in range(6):
            system.issue(query(number))
            answers.wait(number + 1)
    assert dict(answers.failed) == {"a planted fault": 3}
    assert (answers.answered, answers.waiting) == (3, 0)
    assert [number for number, picture in answers.taken.items() if not picture] == [1001, 1003, 1005]


def test_a_target_that_only_fails_is_given_up(samples, collected, planted_server) -> None:
    planted_server.fail_after = 0
    answers = collected()
    with TritonRunner.from_location(planted_server.url, "cpu") as runner:
        system = open_system(runner, samples, answers)
        for number in range(MAX_FAILURES):
            system.issue(query(number))
        answers.wait(MAX_FAILURES)
        assert answers.given_up == ["a planted fault"]
        with pytest.raises(LithoError, match="a planted fault"):
            system.warm_up(1, 0.01)
