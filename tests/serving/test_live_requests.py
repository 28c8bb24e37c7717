import math

import pytest

from litho.errors import InvalidInput
from litho.serving.live_requests import EngineStatistics, Options, Request

from .test_in_flight import Answers


def test_a_request_with_a_lower_priority_number_or_that_came_earlier_goes_first() -> None:
    asked = [
        Request({}, Answers(), Options(priority), number, rows=1, arrived=0.0, look=0.0)
        for number, priority in enumerate((1, 0, 1, 0))
    ]
    assert [request.number for request in sorted(asked)] == [1, 3, 0, 2]


def test_a_deadline_counts_from_the_arrival() -> None:
    request = Request({}, Answers(), Options(seconds=2.5), 0, rows=1, arrived=10.0, look=0.0)
    assert request.deadline == 12.5
    request.options = Options()
    assert math.isinf(request.deadline)


def test_the_mean_number_of_rows_counts_steps() -> None:
    assert EngineStatistics(steps=4, moved=10).mean_rows == 2.5
    assert math.isnan(EngineStatistics().mean_rows)


def test_previews_every_few_steps_are_a_number_of_steps() -> None:
    with pytest.raises(InvalidInput, match="allowed is 0 for no previews, or a number of steps"):
        Options(preview_every=-2)
