import math

import pytest

from litho.errors import DeadlineExceeded, EndpointBusy, InvalidInput
from litho.serving.in_flight.live_requests import Options, Request

from .test_engine import Answers


def test_a_request_with_a_lower_priority_number_or_that_came_earlier_goes_first() -> None:
    asked = [
        Request({}, Answers(), Options(priority), number, rows=1, arrived=0.0, look=0.0)
        for number, priority in enumerate((1, 0, 1, 0))
    ]
    assert [request.number for request in sorted(asked)] == [1, 3, 0, 2]


def test_time_counts_from_the_arrival_and_that_in_the_queue_until_all_rows_have_left_it() -> None:
    request = Request({}, Answers(), Options(seconds=2.5), 0, rows=2, arrived=10.0, look=0.0)
    assert request.due == 12.5
    assert request.lateness(12.4) is None
    assert isinstance(request.lateness(12.5), DeadlineExceeded)
    request.options = Options(queue_seconds=1.0)
    request.admitted = 1
    assert isinstance(request.lateness(11.0), EndpointBusy)
    request.admitted = 2
    assert math.isinf(request.due)
    assert request.lateness(1e9) is None


def test_previews_every_few_steps_are_a_number_of_steps() -> None:
    with pytest.raises(InvalidInput, match="allowed is 0 for no previews, or a number of steps"):
        Options(preview_every=-2)
