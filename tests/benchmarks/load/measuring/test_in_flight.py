from concurrent.futures import Future

import pytest

from litho.benchmarks.load.measuring.in_flight import RequestsInFlight, overlaps
from litho.benchmarks.load.measuring.requests import Requests
from litho.errors import EndpointError


def in_flight(runner, **options):
    return RequestsInFlight(runner, Requests(runner.signature, 0), batch=2, **options)


def test_runner_in_this_process_has_answered_when_start_returns(planted_runner):
    runner = planted_runner()
    requests = in_flight(runner)
    requests.start(3)
    assert runner.seeds == [0, 1, 2, 3, 4, 5]
    outcomes = requests.drain()
    assert requests.count == 0
    assert all(outcome.error is None and outcome.latency_ms > 0 for outcome in outcomes)


def test_outcomes_come_in_the_order_in_which_requests_end(planted_runner):
    class Held(planted_runner):
        """Answers when the test says so."""

        def __init__(self):
            super().__init__()
            self.futures = []

        def submit(self, inputs):
            self.futures.append(Future())
            return self.futures[-1]

    runner = Held()
    requests = in_flight(runner)
    requests.start(3)
    for index in (2, 0, 1):
        runner.futures[index].set_exception(EndpointError(str(index)))
    assert [outcome.message for outcome in requests.drain()] == ["2", "0", "1"]


def test_failure_is_an_outcome_with_a_message_of_one_line(planted_runner, planted_endpoint):
    for runner in (planted_runner(fail_every=1), planted_endpoint(fail_every=1)):
        requests = in_flight(runner)
        requests.start()
        assert requests.take().message == "a planted failure"


def test_request_that_cannot_even_be_sent_is_a_failed_one(planted_runner):
    class Unreachable(planted_runner):
        """Raises at once instead of giving a future."""

        def submit(self, inputs):
            raise EndpointError("no route")

    requests = in_flight(Unreachable())
    requests.start(2)
    assert [outcome.message for outcome in requests.drain()] == ["no route", "no route"]


def test_endpoint_that_never_answers_is_given_up(planted_runner):
    class Silent(planted_runner):
        """Takes requests and says nothing more."""

        def submit(self, inputs):
            return Future()

    requests = in_flight(Silent(), stall_seconds=0.05)
    requests.start(4)
    with pytest.raises(EndpointError, match=r"not answered any of 4 requests for 0.05 s"):
        requests.take()


def test_only_a_runner_with_a_transport_overlaps(planted_runner, planted_endpoint):
    assert overlaps(planted_endpoint())
    assert not overlaps(planted_runner())
