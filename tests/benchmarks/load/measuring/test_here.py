from itertools import chain, repeat

import pytest

from litho.benchmarks.load.documents.windows import Load
from litho.benchmarks.load.measuring.here import measure_here
from litho.benchmarks.load.measuring.requests import Requests
from litho.errors import EndpointError
from litho.runners.triton import ServerStatistics


def measure(runner, load, *, warmup_seconds=0.02, seconds=0.1):
    requests = Requests(runner.signature, 0)
    return measure_here(runner, requests, load, warmup_seconds=warmup_seconds, seconds=seconds)


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_so_many_requests_are_in_flight_and_never_more(planted_endpoint, concurrency):
    endpoint = planted_endpoint(seconds=0.005)
    measured = measure(endpoint, Load(concurrency=concurrency))
    assert max(endpoint.seen_in_flight) == concurrency
    assert endpoint.in_flight == 0
    assert measured.latencies_ms.min() >= 5


def test_a_place_in_the_loop_is_taken_again_at_once(simulated_clock, simulated_endpoint):
    measured = simulate(
        simulated_clock, simulated_endpoint(simulated_clock, repeat(0.25)), Load(concurrency=16)
    )
    assert len(measured.latencies_ms) == 16 * 4


def test_warmup_is_not_counted(simulated_clock, simulated_endpoint):
    class Counting(simulated_endpoint):
        """Has a server that counts."""

        def statistics(self):
            return ServerStatistics(self.asked, self.asked, self.asked, 0, 0, 0, 0)

    endpoint = Counting(simulated_clock, repeat(0.5))
    measured = simulate(simulated_clock, endpoint, Load(), warmup_seconds=2.0, seconds=1.0)
    # Four in the warm-up, two in the window, and the one that took the place of the last of these.
    assert (len(measured.latencies_ms), measured.server.requests, endpoint.asked) == (2, 2, 7)


@pytest.mark.slow
def test_every_seventh_failure_is_counted_and_none_is_a_latency(planted_runner, planted_endpoint):
    for runner in (
        planted_runner(fail_every=7, seconds=0.001),
        planted_endpoint(fail_every=7, seconds=0.001),
    ):
        measured = measure(runner, Load(), seconds=0.2)
        assert measured.errors == {"a planted failure": runner.asked // 7}
        assert len(measured.latencies_ms) <= runner.asked - runner.failed


def test_window_of_a_slow_model_lasts_until_every_place_turned_over(planted_endpoint):
    measured = measure(planted_endpoint(seconds=0.05), Load(concurrency=8), warmup_seconds=1e-6, seconds=1e-6)
    assert len(measured.latencies_ms) >= 8
    assert measured.seconds >= 0.045


def test_batch_counts_pictures(planted_runner):
    measured = measure(planted_runner(), Load(batch=5))
    assert measured.batch == 5


@pytest.mark.slow
def test_runner_that_only_fails_is_given_up_with_its_first_error(planted_runner, planted_endpoint):
    for runner in (planted_runner(fail_every=1), planted_endpoint(fail_every=1)):
        with pytest.raises(
            EndpointError, match=r"none of 100 requests .* succeeded; the first error: a planted failure"
        ):
            measure(runner, Load())
        assert runner.asked < 200


@pytest.mark.slow
def test_server_that_dies_meanwhile_is_named(planted_endpoint):
    # The warm-up lasts until as many requests have ended as are in flight.
    endpoint = planted_endpoint(seconds=0.001, dies_after=1)
    with pytest.raises(EndpointError, match="a planted failure"):
        measure(endpoint, Load(concurrency=2))


def simulate(clock, endpoint, load, *, warmup_seconds=0.0, seconds=1.0):
    requests = Requests(endpoint.signature, 0)
    return measure_here(endpoint, requests, load, warmup_seconds=warmup_seconds, seconds=seconds, clock=clock)


def test_request_in_flight_when_the_window_closes_is_waited_for_and_not_counted(
    simulated_clock, simulated_endpoint
):
    # The window opens at 0.5, when the warm-up's only request ends. Requests then end at 1.0 and 1.5, where it closes.
    endpoint = simulated_endpoint(simulated_clock, [0.5, 0.5, 0.5, 9.0])
    measured = simulate(simulated_clock, endpoint, Load())
    assert measured.seconds == 1.0
    assert measured.latencies_ms.tolist() == [500, 500]
    assert not measured.errors
    assert endpoint.asked == 4
    assert simulated_clock.seconds == 10.5


def test_request_that_fails_after_the_window_closed_is_an_error_of_the_measurement(
    simulated_clock, simulated_endpoint
):
    endpoint = simulated_endpoint(simulated_clock, [0.5, 0.5, 0.5, EndpointError("too late")])
    measured = simulate(simulated_clock, endpoint, Load())
    assert measured.latencies_ms.tolist() == [500, 500]
    assert measured.errors == {"too late": 1}


def test_request_of_the_warmup_that_ends_in_the_window_counts_with_its_whole_latency(
    simulated_clock, simulated_endpoint
):
    # Two in flight: the warm-up lasts from 0 to 1, the window from 1 to 3.
    endpoint = simulated_endpoint(simulated_clock, chain([2.5, 0.5, 0.5, 1.0], repeat(1.0)))
    measured = simulate(simulated_clock, endpoint, Load(concurrency=2), warmup_seconds=1.0, seconds=2.0)
    assert sorted(measured.latencies_ms) == [1000, 1000, 2500]
    assert measured.seconds == 2.0


def test_window_of_a_slow_target_stays_open_until_as_many_requests_ended_as_are_in_flight(
    simulated_clock, simulated_endpoint
):
    endpoint = simulated_endpoint(simulated_clock, repeat(60.0))
    measured = simulate(simulated_clock, endpoint, Load(concurrency=3))
    assert measured.latencies_ms.tolist() == [60_000] * 3
    assert measured.seconds == 60.0


def test_window_without_a_success_is_an_error_although_requests_before_and_after_succeeded(
    simulated_clock, simulated_endpoint
):
    failures = [EndpointError("overloaded")] * 4
    endpoint = simulated_endpoint(simulated_clock, [0.5, *failures, 0.5])
    with pytest.raises(
        EndpointError,
        match=r"none of 4 requests at concurrency 1, batch 1 succeeded; the first error: overloaded",
    ):
        simulate(simulated_clock, endpoint, Load())
    assert endpoint.asked == 6


def test_many_failures_without_a_success_end_the_measurement_early(simulated_clock, simulated_endpoint):
    endpoint = simulated_endpoint(simulated_clock, repeat(EndpointError("overloaded")))
    with pytest.raises(EndpointError, match="none of 128 requests at concurrency 64"):
        simulate(simulated_clock, endpoint, Load(concurrency=64), warmup_seconds=3600)
    assert simulated_clock.seconds == 0.5


@pytest.mark.parametrize("answered", [0, 3, 9])
def test_target_that_stalls_ends_the_measurement_after_two_minutes(
    answered, simulated_clock, simulated_endpoint
):
    endpoint = simulated_endpoint(simulated_clock, chain(repeat(0.25, answered), repeat(None)))
    with pytest.raises(EndpointError, match=r"has not answered any of 2 requests for 120 s"):
        simulate(simulated_clock, endpoint, Load(concurrency=2))
    assert simulated_clock.seconds >= 120
