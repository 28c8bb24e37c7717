"""The server's own count, of counters that move as a server's do."""

import threading

import numpy as np
import pytest

from litho.benchmarks.perf_analyzer.server_count import ServerCount, steady_rate
from litho.runners.triton import ServerStatistics


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

    def count() -> ServerStatistics:
        number = next(numbers)
        if number >= 30:
            read.set()
        # Batches of two, each request of which waits 1 ms and is computed for 2 ms.
        return ServerStatistics(number, number, number // 2, number * 10**6, 0, number * 2 * 10**6, 0)

    with ServerCount(count) as counted:
        assert read.wait(120)
    assert counted.requests >= 30
    assert counted.requests % 10 == 0
    assert counted.mean_batch == 2
    assert counted.mean_ms == pytest.approx(3)


def test_a_server_that_was_asked_for_nothing_has_no_batch() -> None:
    with ServerCount(lambda: ServerStatistics(5, 5, 5, 5, 5, 5, 5)) as counted:
        pass
    assert (counted.requests, counted.per_second, counted.mean_batch, counted.mean_ms) == (0, 0, 0, 0)
