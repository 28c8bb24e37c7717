"""A limit on the time between two answers."""

import threading
import time

import pytest

from litho.runners._silence import Silent, heard

from ..conftest import wait_until


class Call:
    """A stream whose answers are given by hand."""

    def __init__(self, answers: int) -> None:
        self._left, self._cancelled = answers, threading.Event()

    def __iter__(self) -> "Call":
        return self

    def __next__(self) -> int:
        if not self._left:
            assert self._cancelled.wait(60)
            raise RuntimeError("cancelled")
        self._left -= 1
        return self._left

    def cancel(self) -> None:
        self._cancelled.set()


def test_a_stream_that_falls_silent_is_cancelled() -> None:
    answers = heard(Call(2), 2)  # longer than a machine stands still
    assert [next(answers), next(answers)] == [1, 0]
    with pytest.raises(Silent):
        next(answers)


def test_a_slow_reader_is_not_taken_for_a_silent_stream() -> None:
    answers = heard(Call(2), 2)
    assert next(answers) == 1
    time.sleep(3)  # longer than the limit, by the reader
    assert next(answers) == 0
    answers.close()


def test_another_error_passes_and_without_a_limit_nothing_is_watched() -> None:
    call = Call(0)
    call.cancel()
    with pytest.raises(RuntimeError, match="cancelled"):
        next(heard(call, 60))
    before = watching()
    assert next(heard(Call(1), None)) == 0
    assert watching() <= before


def watching() -> set[threading.Thread]:
    """Threads that watch a stream, of other tests too."""
    return {thread for thread in threading.enumerate() if thread.name == "litho-silence"}


def test_no_thread_outlives_its_stream() -> None:
    before = watching()
    answers = heard(iter([1, 2]), 60)
    assert next(answers) == 1
    assert watching() - before
    assert list(answers) == [2]
    wait_until(lambda: watching() <= before)
