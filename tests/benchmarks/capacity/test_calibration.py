"""Which loads costs come from; that they are found is checked with a live server in test_check.py."""

import os
from typing import Any

import numpy as np
import pytest

from litho.benchmarks.capacity.calibration import extra_of, measured_site, single_of, take
from litho.benchmarks.capacity.serving import Gapped, InTurn
from litho.benchmarks.capacity.shape import Served, Site, Traffic
from litho.benchmarks.shared.cores import Cores, cores_of
from litho.errors import EndpointError


def test_a_server_has_cores_of_its_own_where_there_are_two() -> None:
    apart = cores_of(share=False)
    assert (apart is None) == (len(os.sched_getaffinity(0)) == 1)
    assert measured_site(Cores(server=(0, 2), clients=(1,))) == Site(cores=2, client_cores=1)
    assert measured_site(None).clients_here


def test_lone_requests_come_from_a_model_with_one_instance_and_the_same_threads() -> None:
    assert single_of([Served(instances=2), Served(instances=1, threads=2), Served(instances=1)]) == 2
    assert single_of([Served(instances=1), Served(instances=1)]) == 1
    assert single_of([Served(instances=2), Served(instances=1, threads=2)]) is None


class Stalled:
    """A model whose first windows have no answer."""

    def __init__(self, windows: int) -> None:
        self.windows, self.seconds = windows, list[float]()

    def take(self, traffic: object, seconds: float) -> str:
        self.seconds.append(seconds)
        if len(self.seconds) <= self.windows:
            raise EndpointError("none of 3 requests succeeded")
        return "measured"


def test_a_window_without_an_answer_is_measured_again_and_longer() -> None:
    model: Any = Stalled(2)
    assert take(model, Gapped(4.0), 0.1) == "measured"
    assert model.seconds == pytest.approx([0.1, 0.3, 0.9])


def test_a_server_that_never_answers_is_no_stall() -> None:
    model: Any = Stalled(9)
    with pytest.raises(EndpointError, match="none of 3 requests"):
        take(model, Gapped(4.0), 0.1)
    assert len(model.seconds) == 4


class Lone:
    """A model whose lone requests take so many milliseconds."""

    def __init__(self, taken_ms: float) -> None:
        self.latencies_ms = np.full(9, taken_ms)

    def take(self, traffic: object, seconds: float) -> "Lone":
        return self


def test_further_loads_are_those_that_a_model_can_take() -> None:
    quick: Any = Lone(1.0)
    loads = extra_of(quick, Served(largest=8), 1.0)
    assert [load.gap_ms for load in loads if isinstance(load, Gapped)] == [4.0, 8.0, 25.0]
    assert InTurn((1, 2)) in loads
    assert [load.kinds[0].rows for load in loads if isinstance(load, Traffic)] == [8, 1]
    slow: Any = Lone(300.0)
    assert [type(load) for load in extra_of(slow, Served(largest=1), 1.0)] == [Traffic]
