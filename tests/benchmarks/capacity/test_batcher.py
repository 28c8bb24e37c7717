"""The batcher against what Triton's scheduler does with the same arrivals."""

import simpy
from hypothesis import given, strategies as st

from litho.benchmarks.capacity.batcher import Batcher, Request
from litho.benchmarks.capacity.shape import Served


def batches_of(
    served: Served, arrivals: list[tuple[float, int]], work: float = 10.0
) -> list[tuple[float, list[int]]]:
    """When batches of requests of so many rows begin, and the numbers of their requests; each takes `work`."""
    environment, begun = simpy.Environment(), []

    def execute(requests: list[Request]) -> None:
        begun.append((environment.now, [request.number for request in requests]))
        environment.timeout(work).callbacks.append(lambda _: batcher.release())

    batcher = Batcher(environment, served, execute)

    def arrive():
        for number, (gap, rows) in enumerate(arrivals):
            yield environment.timeout(gap)
            batcher.put(Request(number, rows, 1, environment.now))

    environment.process(arrive())
    environment.run()
    return begun


def test_without_a_delay_an_idle_instance_takes_a_request_at_once_and_then_all_that_waited() -> None:
    begun = batches_of(Served(instances=1), [(0, 1), (1, 1), (1, 1), (1, 1)])
    assert begun == [(0, [0]), (10, [1, 2, 3])]


def test_a_batch_is_no_larger_than_the_largest() -> None:
    begun = batches_of(Served(instances=1, largest=2), [(0, 1), (1, 1), (1, 1), (1, 1)])
    assert begun == [(0, [0]), (10, [1, 2]), (20, [3])]


def test_a_delay_waits_for_company_and_a_preferred_size_does_not() -> None:
    served = Served(instances=1, preferred=(2,), delay_ms=4.0)
    assert batches_of(served, [(0, 1)]) == [(4, [0])]
    assert batches_of(served, [(0, 1), (1, 1)]) == [(1, [0, 1])]
    # Both wait for the delay of the older one.
    assert batches_of(Served(instances=1, delay_ms=4.0), [(0, 1), (1, 1)]) == [(4, [0, 1])]


def test_a_batch_that_waits_for_an_instance_takes_what_comes_without_a_further_delay() -> None:
    served = Served(instances=1, largest=8, preferred=(4,), delay_ms=4.0)
    # The second waits for its delay, and then for the instance; the third joins it, young as it is.
    assert batches_of(served, [(0, 1), (5, 1), (7, 1)]) == [(4, [0]), (14, [1, 2])]


def test_a_request_that_does_not_fit_ends_a_batch() -> None:
    begun = batches_of(Served(instances=1, largest=4), [(0, 1), (1, 3), (1, 2), (1, 2)])
    assert begun == [(0, [0]), (10, [1]), (20, [2, 3])]


def test_without_a_delay_a_preferred_size_is_taken_and_the_rest_waits_for_the_next_batch() -> None:
    served = Served(instances=1, largest=8, preferred=(2,))
    assert batches_of(served, [(0, 1), (1, 1), (0, 1), (0, 1)]) == [(0, [0]), (10, [1, 2]), (20, [3])]


def test_formed_batches_merge_by_the_age_of_their_first_request() -> None:
    served = Served(instances=1, largest=8, preferred=(2,), delay_ms=4.0)
    # Two pairs are formed ahead of the idle instance; at 11 both have waited longer than the delay.
    early = [(0, 1), (0, 1), (1, 1), (0, 1), (1, 1), (0, 1)]
    assert batches_of(served, early) == [(0, [0, 1]), (10, [2, 3, 4, 5])]
    # The last one is younger than the delay when the instance is idle; the one before it had joined the pair.
    late = [(0, 1), (0, 1), (1, 1), (0, 1), (7, 1), (0, 1)]
    assert batches_of(served, late) == [(0, [0, 1]), (10, [2, 3, 4]), (20, [5])]


def test_a_formed_batch_that_did_not_fit_takes_no_further_requests() -> None:
    served = Served(instances=1, largest=4, preferred=(3,), delay_ms=4.0)
    # At 10 the third is too large for the batch of the second, and so the last no longer joins it.
    arrivals = [(0, 3), (1, 3), (1, 2), (15, 1)]
    assert batches_of(served, arrivals) == [(0, [0]), (10, [1]), (20, [2]), (30, [3])]


@given(
    arrivals=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 4)), min_size=1, max_size=30),
    instances=st.integers(1, 3),
    delay=st.sampled_from([0.0, 2.0]),
    preferred=st.sampled_from([(), (4,), (2, 6)]),
)
def test_every_request_is_in_one_batch_in_order_and_within_the_largest(
    arrivals: list, instances: int, delay: float, preferred: tuple
) -> None:
    served = Served(instances=instances, largest=8, delay_ms=delay, preferred=preferred)
    begun = batches_of(served, arrivals)
    assert [number for _, numbers in begun for number in numbers] == list(range(len(arrivals)))
    assert all(sum(arrivals[number][1] for number in numbers) <= 8 for _, numbers in begun)
