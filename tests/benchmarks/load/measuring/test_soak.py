import subprocess
import sys
from concurrent.futures import Future

import numpy as np
import psutil
import pytest

from litho.benchmarks import soak
from litho.errors import EndpointError, LithoError, UsageError

MIB = 1 << 20


@pytest.mark.slow
def test_memory_that_a_runner_keeps_shows_as_growth(planted_runner):
    class Leaky(planted_runner):
        """Keeps a mebibyte of each request."""

        def __init__(self):
            super().__init__()
            self.kept = []

        def _execute(self, inputs):
            self.kept.append(np.ones(MIB, np.uint8))
            return super()._execute(inputs)

    leaky = soak(Leaky(), 300, settled_after=100)
    tight = soak(planted_runner(), 300, settled_after=100)
    assert leaky.samples[-1].client_bytes - leaky.settled.client_bytes > 100 * MIB
    assert leaky.client_growth > 0.05 > abs(tight.client_growth)
    assert leaky.settled.requests == 100
    assert leaky.server_growth is None


def test_every_request_is_asked_once_and_failures_are_counted(planted_endpoint):
    endpoint = planted_endpoint(fail_every=7)
    result = soak(endpoint, 500, 16, settled_after=50)
    assert endpoint.asked == 500
    assert max(endpoint.seen_in_flight) <= 16
    assert result.requests == 500 - 500 // 7
    assert result.errors == {"a planted failure": 500 // 7}
    assert result.samples[0].requests == 0
    assert result.samples[-1].requests == 500


def test_server_and_its_children_are_watched_until_they_end(planted_runner):
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        server.stdout.readline()  # both processes run
        result = soak(planted_runner(), 40, settled_after=10, server_process_id=server.pid)
        alone = psutil.Process(server.pid).memory_info().rss
        assert result.samples[-1].server_bytes > 1.3 * alone
        assert abs(result.server_growth) < 0.05
        server.communicate(b"\n")
    with pytest.raises(UsageError, match=f"no process {server.pid}"):
        soak(planted_runner(), 40, settled_after=10, server_process_id=server.pid)


@pytest.mark.parametrize(("requests", "in_flight"), [(0, 1), (1000, 1), (2000, 0)])
def test_too_few_requests_are_refused(planted_runner, requests, in_flight):
    with pytest.raises(UsageError, match="more than 1000 requests, after which memory should be settled"):
        soak(planted_runner(), requests, in_flight)


def test_soak_in_which_nothing_succeeds_is_an_error(planted_runner):
    with pytest.raises(LithoError, match="a planted failure") as caught:
        soak(planted_runner(fail_every=1), 40, settled_after=10)
    assert not isinstance(caught.value, EndpointError)


def test_requests_that_the_client_takes_back_are_counted_apart(planted_runner):
    class Late(planted_runner):
        """Answers the oldest request when there are eight, and all when the last has come."""

        def __init__(self):
            super().__init__()
            self.waiting, self.submitted = [], 0

        def submit(self, inputs):
            future = Future()
            self.waiting.append((future, inputs))
            self.submitted += 1
            while len(self.waiting) == 8 or (self.waiting and self.submitted == 200):
                oldest, given = self.waiting.pop(0)
                if oldest.set_running_or_notify_cancel():
                    oldest.set_result(self.run(given))
            return future

    result = soak(Late(), 200, 8, settled_after=50, cancel_every=20)
    assert result.cancelled == 9  # the last of all has none after it
    assert result.requests + result.cancelled == 200
    assert result.errors == {}
