import pytest

from litho.benchmarks.load.requests import Requests
from litho.benchmarks.load.scenarios import open_scenario, scenario_names
from litho.benchmarks.load.windows import Load
from litho.errors import EndpointError, UnknownName


def measure(runner, load, *, warmup_seconds=0.02, seconds=0.1):
    scenario = open_scenario("closed-loop")
    requests = Requests(runner.signature, 0)
    return scenario.measure(runner, requests, load, warmup_seconds=warmup_seconds, seconds=seconds)


def test_scenarios_register_themselves():
    assert "closed-loop" in scenario_names()
    with pytest.raises(UnknownName, match=r"unknown scenario 'open-loop'; did you mean 'closed-loop'"):
        open_scenario("open-loop")


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_so_many_requests_are_in_flight_and_never_more(planted_endpoint, concurrency):
    endpoint = planted_endpoint(seconds=0.005)
    measured = measure(endpoint, Load(concurrency=concurrency))
    assert max(endpoint.seen_in_flight) == concurrency
    assert endpoint.in_flight == 0
    # A place in the loop is refilled at once: the full number is by far the commonest.
    assert endpoint.seen_in_flight.most_common(1)[0][0] == concurrency
    assert measured.latencies_ms.min() >= 5


def test_warmup_is_not_counted(planted_endpoint):
    endpoint = planted_endpoint(seconds=0.002)
    measured = measure(endpoint, Load(concurrency=2), warmup_seconds=0.2, seconds=0.1)
    assert 0 < len(measured.latencies_ms) < 0.6 * endpoint.asked
    assert 0 < measured.server.requests < 0.6 * endpoint.asked


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


def test_runner_that_only_fails_is_given_up_with_its_first_error(planted_runner, planted_endpoint):
    for runner in (planted_runner(fail_every=1), planted_endpoint(fail_every=1)):
        with pytest.raises(
            EndpointError, match=r"none of 100 requests .* succeeded; the first error: a planted failure"
        ):
            measure(runner, Load())
        assert runner.asked < 200


def test_server_that_dies_meanwhile_is_named(planted_endpoint):
    endpoint = planted_endpoint(seconds=0.001, dies_after=50)
    with pytest.raises(EndpointError, match="a planted failure"):
        measure(endpoint, Load(concurrency=2), warmup_seconds=0.3, seconds=0.3)
