"""Small runners of known behaviour: in the caller's thread, with a transport of its own, and in simulated time."""

import heapq
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from litho.benchmarks.load.measuring.in_flight import Clock
from litho.errors import EndpointError
from litho.runners import Runner
from litho.runners.triton import ServerStatistics
from litho.signature import Signature

from .planted_triton import SIGNATURE, PlantedTriton


class PlantedRunner(Runner):
    """Paints each picture in the grey of its seed, with planted faults.

    Args:
        fail_every: every so many requests fail; 0 for none.
        dies_after: number of requests after which all fail; None for never.
        seconds: how long one request takes; may be changed while it runs.
    """

    name = "planted"

    def __init__(
        self,
        *,
        fail_every: int = 0,
        dies_after: int | None = None,
        seconds: float = 0.0,
        signature: Signature = SIGNATURE,
    ) -> None:
        super().__init__(signature, "a runner with planted faults")
        self.fail_every, self.dies_after, self.seconds = fail_every, dies_after, seconds
        self.seeds: list[int] = []
        self.asked = self.failed = 0
        self.closed = False
        self._lock = threading.Lock()

    def _execute(self, inputs):
        with self._lock:
            self.asked += 1
            self.seeds += inputs["seed"].tolist()
            fails = self.fail_every and self.asked % self.fail_every == 0
            fails = fails or (self.dies_after is not None and self.asked > self.dies_after)
            self.failed += bool(fails)
        if self.seconds:
            time.sleep(self.seconds)
        if fails:
            raise EndpointError("a planted\nfailure")
        shape = (len(inputs["seed"]), *self.signature.output.shape)
        return np.broadcast_to((inputs["seed"] % 256).astype(np.uint8)[:, None, None, None], shape)

    def close(self):
        self.closed = True


class PlantedEndpoint(PlantedRunner):
    """The same behind a transport: requests overlap, and the server counts what it did.

    Args:
        formed: size of the batches that it says it formed.
    """

    def __init__(self, *, formed: int = 4, **faults) -> None:
        super().__init__(**faults)
        self.formed, self.in_flight = formed, 0
        self.seen_in_flight: Counter[int] = Counter()
        self._pool = ThreadPoolExecutor(64)

    def submit(self, inputs) -> Future:
        with self._lock:
            self.in_flight += 1
            self.seen_in_flight[self.in_flight] += 1
        return self._pool.submit(self._answer, inputs)

    def _answer(self, inputs):
        try:
            return self.run(inputs)
        finally:
            with self._lock:
                self.in_flight -= 1

    def statistics(self) -> ServerStatistics:
        with self._lock:
            answered, made = self.asked - self.failed, len(self.seeds)
        executions = -(-made // self.formed)
        return ServerStatistics(
            requests=answered,
            inferences=executions * self.formed,
            executions=executions,
            queue_ns=answered * 2_000_000,
            compute_input_ns=answered * 100_000,
            compute_infer_ns=answered * 700_000,
            compute_output_ns=answered * 200_000,
            failures=self.failed,
            batch_sizes={self.formed: executions},
        )

    def close(self):
        super().close()
        self._pool.shutdown()


@pytest.fixture(scope="session")
def planted_runner() -> type[PlantedRunner]:
    return PlantedRunner


@pytest.fixture(scope="module")
def planted_endpoint():
    """Makes endpoints, and closes them afterwards."""
    made = []

    def make(**faults):
        made.append(PlantedEndpoint(**faults))
        return made[-1]

    yield make
    for endpoint in made:
        endpoint.close()


@pytest.fixture(scope="module")
def planted_triton():
    """Makes servers that speak Triton's protocols, and closes them afterwards."""
    made = []

    def make(**faults):
        made.append(PlantedTriton(**faults))
        return made[-1]

    yield make
    for server in made:
        server.close()


class SimulatedClock(Clock):
    """Time that stands still until somebody waits for a request to end: nothing sleeps, and figures are exact."""

    def __init__(self):
        self.seconds, self._events, self._count = 0.0, [], 0

    def now(self):
        return self.seconds

    def at(self, seconds, action):
        """Call `action` when so many seconds have passed; of two at the same moment the earlier call comes first."""
        self._count += 1
        heapq.heappush(self._events, (self.seconds + seconds, self._count, action))

    def wait(self, ended, seconds):
        latest = self.seconds + seconds
        while ended.empty() and self._events and self._events[0][0] <= latest:
            self.seconds, _, action = heapq.heappop(self._events)
            action()
        if ended.empty():
            self.seconds = latest
        return ended.get_nowait()


class SimulatedEndpoint(PlantedRunner):
    """Answers each request after a planned time.

    Args:
        clock: that passes meanwhile.
        plan: seconds until the answer, or an error, which comes after 0.25 s, or None for never; one for each request.
    """

    def __init__(self, clock, plan):
        super().__init__()
        self._clock, self._plan = clock, iter(plan)

    def submit(self, inputs):
        future, planned = Future(), next(self._plan)
        self.asked += 1
        if isinstance(planned, Exception):
            self._clock.at(0.25, lambda: future.set_exception(planned))
        elif planned is not None:
            self._clock.at(planned, lambda: future.set_result({}))
        return future


@pytest.fixture
def simulated_clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture(scope="session")
def simulated_endpoint() -> type[SimulatedEndpoint]:
    return SimulatedEndpoint
