from array import array

import numpy as np
import pytest

from litho.benchmarks.load.generator.outcomes import Outcomes, Picked, combined, read_outcomes
from litho.benchmarks.load.generator.worker.book import Book


def outcomes(began, ended, *, failed=None, messages=(), picked=()):
    began, ended = np.array(began, float), np.array(ended, float)
    count = len(began)
    return Outcomes(
        scheduled=began - 0.1,
        began=began,
        ended=ended,
        preview=np.full(count, np.nan),
        failed=np.array(failed or [-1] * count, np.int32),
        kind=np.zeros(count, np.int32),
        pictures=np.ones(count, np.int32),
        messages=messages,
        picked=picked,
    )


def test_requests_in_flight_are_their_time_inside_the_window():
    # One request covers the window from 1 to 3, one half of it, one ends before it, one is never answered.
    given = outcomes([0, 2, 0, 2], [9, 5, 1, np.nan])
    assert given.in_flight(1, 3) == pytest.approx((2 + 1 + 0 + 1) / 2)
    assert given.answered.tolist() == [True, True, True, False]
    assert given.latency_ms[:3].tolist() == pytest.approx([9100, 3100, 1100])


def test_outcomes_of_several_processes_stand_in_the_order_in_which_requests_left():
    one = outcomes([0, 2], [1, 3], failed=[0, -1], messages=("late",), picked=(Picked(1, 0, b"a"),))
    other = outcomes([1, 3], [2, 4], failed=[1, 0], messages=("lost", "late"), picked=(Picked(0, 2, b"b"),))
    both = combined([one, other])
    assert both.began.tolist() == [0, 1, 2, 3]
    assert both.errors == {"late": 2, "lost": 1}
    assert both.picked == (Picked(1, 2, b"b"), Picked(2, 0, b"a"))
    assert combined([one]) is one


def test_what_a_process_wrote_is_read(tmp_path):
    book = Book(memoryview(array("q", [0] * 8)), most_picked_bytes=6)
    for number in range(4):
        assert book.begin(number, number + 0.5) == number
    book.picks += [(1, 1), (3, 0)]
    book.end(0, 1.0, None)
    book.end(1, 2.0, None)
    book.end(2, 3.0, "no")
    book.keep(1, 1, b"abcd")
    book.keep(3, 0, b"no room")
    # As if it had been ended between two notes.
    book.scheduled.append(4)
    book.write(tmp_path)
    read = read_outcomes(tmp_path, rows=[1, 3], picked_rows=[5, 2])
    assert read.scheduled.tolist() == [0, 1, 2, 3]
    assert read.ended[:3].tolist() == [1, 2, 3]
    assert np.isnan(read.ended[3])
    assert read.kind.tolist() == [0, -1, 0, -1]
    assert read.pictures.tolist() == [1, 2, 1, 5]
    assert read.errors == {"no": 1}
    assert read.picked == (Picked(1, 1, b"abcd"),)
