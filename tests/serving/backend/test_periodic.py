"""Calls go on after one that failed, and a row of failures is reported once."""

import threading

from litho.serving.backend.periodic import Periodic


class Flaky:
    """Fails in the calls with these numbers, and tells when it was called `enough` times."""

    def __init__(self, failing: set[int], enough: int) -> None:
        self.calls, self.reported = 0, list[str]()
        self._failing, self._enough = failing, enough
        self.done = threading.Event()

    def __call__(self) -> None:
        number, self.calls = self.calls, self.calls + 1
        if self.calls == self._enough:
            self.done.set()
        if number in self._failing:
            raise RuntimeError(f"call {number}\nwas refused")


def test_errors_are_reported_once_in_a_row_and_calls_go_on() -> None:
    flaky = Flaky({1, 2, 3, 6}, enough=9)
    periodic = Periodic(flaky, 0.001, flaky.reported.append, "flaky")
    assert flaky.done.wait(60)
    periodic.close()
    assert flaky.reported == [
        "RuntimeError: call 1 was refused",
        "RuntimeError: call 6 was refused",
    ]


def test_nothing_is_called_after_the_end() -> None:
    flaky = Flaky(set(), enough=1)
    periodic = Periodic(flaky, 0.001, flaky.reported.append, "flaky")
    assert flaky.done.wait(60)
    periodic.close()
    calls = flaky.calls
    assert not any(thread.name == "flaky" for thread in threading.enumerate())
    assert (flaky.calls, flaky.reported) == (calls, [])
