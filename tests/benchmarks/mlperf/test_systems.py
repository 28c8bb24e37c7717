import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from litho.benchmarks.mlperf.samples import Samples
from litho.benchmarks.mlperf.systems import MAX_FAILURES, Answers, open_system
from litho.errors import LithoError
from litho.runners import open_runner
from litho.runners.triton import Runner as TritonRunner


class Collected(Answers):
    """Answers that are kept here: LoadGen's functions only work inside a run of it."""

    def __init__(self, samples: Samples) -> None:
        self.gone: list[str] = []
        super().__init__(samples.shape, self.gone.append)
        self.taken: dict[int, bytes] = {}
        self._response, self._complete = self._copied, self._taken

    def _copied(self, one: int, address: int, size: int) -> tuple[int, bytes]:
        import ctypes

        return one, ctypes.string_at(address, size) if size else b""

    def _taken(self, responses: list[tuple[int, bytes]]) -> None:
        self.taken.update(responses)

    def wait(self, count: int) -> None:
        until = time.monotonic() + 60
        while len(self.taken) < count:
            assert time.monotonic() < until, "answers are missing"
            threading.Event().wait(0.005)


def query(*numbers: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(id=1000 + number, index=number) for number in numbers]


def expected(samples: Samples, number: int) -> bytes:
    bank, at = samples.bank_of(number)
    return bank.images[at].tobytes()


@pytest.mark.parametrize("where", ["in this process", "behind a server", "behind a runner"])
@pytest.mark.parametrize("window", [None, 2])
def test_each_sample_gets_its_own_picture(where, window, samples, bundle, planted_server) -> None:
    answers = Collected(samples)
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
    assert (answers.answered, answers.waiting, dict(answers.failed), answers.gone) == (53, 0, {}, [])


def test_a_failed_request_is_an_empty_answer_and_counted(samples, planted_server) -> None:
    planted_server.fail_every = 2
    answers = Collected(samples)
    with TritonRunner.from_location(planted_server.url, "cpu") as runner:
        system = open_system(runner, samples, answers)
        for number in range(6):
            system.issue(query(number))
            answers.wait(number + 1)
    assert dict(answers.failed) == {"INTERNAL: a planted fault": 3}
    assert (answers.answered, answers.waiting) == (3, 0)
    assert [number for number, picture in answers.taken.items() if not picture] == [1001, 1003, 1005]


def test_a_target_that_only_fails_is_given_up(samples, planted_server) -> None:
    planted_server.fail_after = 0
    answers = Collected(samples)
    with TritonRunner.from_location(planted_server.url, "cpu") as runner:
        system = open_system(runner, samples, answers)
        for number in range(MAX_FAILURES):
            system.issue(query(number))
        answers.wait(MAX_FAILURES)
        assert answers.gone == ["INTERNAL: a planted fault"]
        with pytest.raises(LithoError, match="a planted fault"):
            system.warm_up(1, 0.01)


def test_pictures_of_another_shape_or_dtype_are_failures(samples) -> None:
    answers = Collected(samples)
    height, width, channels = samples.shape
    answers.pictures([1, 2], np.zeros((1, height, width, channels), np.uint8))
    answers.pictures([3], np.zeros((1, height, width + 1, channels), np.uint8))
    answers.pictures([4], np.zeros((1, height, width, channels), np.float32))  # pyright: ignore[reportArgumentType]
    assert sum(answers.failed.values()) == 4
    assert answers.taken == {1: b"", 2: b"", 3: b"", 4: b""}
