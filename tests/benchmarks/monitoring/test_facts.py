"""What a load tells of itself."""

from collections import Counter

import numpy as np

from litho.benchmarks.load.generator import Outcomes
from litho.benchmarks.monitoring.facts import Facts, ModelFacts
from litho.runners._served import ServerStatistics


def outcomes(seconds: list[float], failed: list[int] | None = None, pictures: int = 1) -> Outcomes:
    """Requests that left at 0 and took so long; -1 for a success."""
    count = len(seconds)
    return Outcomes(
        scheduled=np.zeros(count),
        began=np.zeros(count),
        ended=np.array(seconds),
        preview=np.full(count, np.nan),
        failed=np.array(failed or [-1] * count, np.int32),
        kind=np.zeros(count, np.int32),
        pictures=np.full(count, pictures, np.int32),
        messages=("busy",),
        picked=(),
    )


def statistics(requests: int, queue_seconds: float = 0.0) -> ServerStatistics:
    return ServerStatistics(requests, requests, requests, round(queue_seconds * 1e9), 0, 0, 0)


def facts(*models: ModelFacts) -> Facts:
    refused = Counter({"invalid_json": 5})
    return Facts(100.0, 110.0, models, np.array([20.0, 30.0]), refused, Counter({"200": 2, "400": 5}))


def test_pictures_of_both_ways_count_and_failed_requests_do_not() -> None:
    model = ModelFacts(
        name="m",
        in_flight=False,
        clients=2,
        direct=outcomes([0.1, 0.3, 9.0], [-1, -1, 0], pictures=2),
        through_gateway=3,
        statistics=statistics(5),
        steps=0,
    )
    assert (model.answered, model.pictures) == (2, 7)
    assert np.isclose(model.client_seconds, 0.2)
    assert facts(model).images == 2
