"""The server's own count, of counters that move as a server's do."""

import threading

import numpy as np
import pytest

from litho.benchmarks.server_count import ServerCount, steady_rate


def test_the_start_and_the_end_of_a_load_do_not_count() -> None:
    times = np.arange(0, 10, 0.1)
    counts = np.clip((times - 2) * 500, 0, 3000)  # two seconds of start, six of load, two of end
    assert steady_rate(times, counts) == pytest.approx(500)


@pytest.mark.parametrize("counts", [[5.0, 5.0], [0.0, 100.0]])
def test_too_few_readings_give_no_rate(counts: list[float]) -> None:
    assert steady_rate(np.arange(2.0), np.array(counts)) == 0


def test_a_counter_is_read_from_the_beginning_to_the_end() -> None:
    numbers = iter(range(10, 10_000, 10))
    read = threading.Event()

    def count() -> int:
        number = next(numbers)
        if number >= 30:
            read.set()
        return number

    with ServerCount(count) as counted:
        assert read.wait(20)
    assert counted.requests >= 30
    assert counted.requests % 10 == 0
