from collections.abc import Callable

import pytest
import simpy
from hypothesis import given, strategies as st

from litho.benchmarks.capacity.cores import Caches, Cores, Thread


def ends_of(
    cores: Callable[[simpy.Environment], Cores], jobs: list[tuple[float, float, int]]
) -> tuple[list[float], Cores]:
    """When jobs end that begin at some time, with some work and threads; and the cores."""
    environment = simpy.Environment()
    made, ends = cores(environment), [0.0] * len(jobs)

    def job(number: int, begin: float, work: float, threads: int):
        yield environment.timeout(begin)
        yield made.run(work, threads, wakes=True)
        ends[number] = environment.now

    for number, one in enumerate(jobs):
        environment.process(job(number, *one))
    environment.run()
    return ends, made


def test_jobs_share_a_core_in_slices() -> None:
    ends, cores = ends_of(lambda one: Cores(one, 1, slice_ms=0.01), [(0, 2, 1), (0, 1, 1)])
    assert ends == pytest.approx([3, 2], abs=0.02)
    assert cores.busy == pytest.approx(3)


def test_threads_of_a_job_take_a_core_each() -> None:
    ends, cores = ends_of(lambda one: Cores(one, 2, slice_ms=0.01), [(0, 2, 2)])
    assert ends == pytest.approx([2])
    assert cores.busy == pytest.approx(4)
    ends, _ = ends_of(lambda one: Cores(one, 2, slice_ms=0.01), [(0, 2, 2), (0, 2, 1)])
    assert ends == pytest.approx([3, 3], abs=0.05)  # three threads on two cores


def test_contention_slows_jobs_only_while_all_cores_are_busy() -> None:
    def cores(one: simpy.Environment) -> Cores:
        return Cores(one, 2, contention=1.5, slice_ms=0.01)

    assert ends_of(cores, [(0, 2, 1)])[0] == pytest.approx([2])
    assert ends_of(cores, [(0, 2, 1), (0, 2, 1)])[0] == pytest.approx([3, 3], abs=0.03)


@pytest.mark.parametrize(("waits", "end"), [(False, 2.5), (True, 5.0)])
def test_a_thread_that_wakes_takes_a_core_at_once_or_waits_for_the_end_of_a_slice(
    waits: bool, end: float
) -> None:
    ends, _ = ends_of(lambda one: Cores(one, 1, slice_ms=4.5, waits=lambda: waits), [(0, 9, 1), (2, 0.5, 1)])
    assert ends == pytest.approx([9.5, end])


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 3), st.integers(1, 2)), min_size=1, max_size=8),
    st.integers(1, 3),
)
def test_no_work_is_lost_and_no_core_is_idle_while_work_waits(jobs: list, count: int) -> None:
    ends, cores = ends_of(lambda one: Cores(one, count, slice_ms=0.5, waits=lambda: False), jobs)
    work = sum(work * threads for _, work, threads in jobs)
    assert cores.busy == pytest.approx(work)
    assert max(ends) <= max(begin for begin, _, _ in jobs) + work + 1e-6
    assert all(end >= begin + work - 1e-9 for end, (begin, work, _) in zip(ends, jobs, strict=True))


def test_a_time_far_from_the_start_does_not_stop_the_clock() -> None:
    ends, _ = ends_of(lambda one: Cores(one, 1, slice_ms=0.01), [(1e12, 0.05, 1)])
    assert ends == pytest.approx([1e12])


def test_a_thread_wakes_once_for_messages_that_came_together() -> None:
    environment = simpy.Environment()
    cores, ended = Cores(environment, 1), []
    thread = Thread(environment, cores, wake_ms=1.0, item_ms=0.5)
    for _ in range(3):
        thread.handle(lambda: ended.append(environment.now))
    environment.run()
    assert ended == pytest.approx([1.5, 2.0, 2.5])
    assert thread.wakes == 1


def test_a_thread_on_another_machine_costs_no_time() -> None:
    ended = []
    Thread(simpy.Environment(), None, 1.0, 1.0).handle(lambda: ended.append(True))
    assert ended == [True]


def test_short_jobs_take_turns_before_a_long_one_goes_on() -> None:
    environment = simpy.Environment()
    cores, ended = Cores(environment, 1, waits=lambda: False), list[str]()

    def note(name: str):
        return lambda _: ended.append(name)

    def jobs():
        cores.run(9.0).callbacks.append(note("long"))
        yield environment.timeout(1)
        for name in "abc":
            cores.run(0.5, wakes=True, short=True).callbacks.append(note(name))

    environment.process(jobs())
    environment.run()
    assert ended == ["a", "b", "c", "long"]
    assert environment.now == pytest.approx(10.5)


def test_a_job_takes_longer_on_a_core_that_another_owner_has_used() -> None:
    environment = simpy.Environment()
    cores = Cores(environment, 1)

    def jobs():
        for owner in ("a", "a", None, "a", "b", "a"):
            yield cores.run(1.0, caches=None if owner is None else Caches(owner, 0.25))

    environment.process(jobs())
    environment.run()
    assert cores.switches == 3  # the first, and two changes
    assert cores.switched_ms == pytest.approx(0.75)
    assert environment.now == pytest.approx(6.75)


def test_owners_with_a_core_each_do_not_switch() -> None:
    environment = simpy.Environment()
    cores = Cores(environment, 2)

    def jobs():
        for _ in range(4):
            both = [cores.run(1.0, caches=Caches(owner, 0.25)) for owner in ("a", "b")]
            yield both[0] & both[1]

    environment.process(jobs())
    environment.run()
    assert cores.switches == 2


def test_a_long_job_that_wakes_leaves_another_one_its_least_share() -> None:
    ends, _ = ends_of(lambda one: Cores(one, 1, slice_ms=4, waits=lambda: False), [(0, 2, 1), (1, 0.5, 1)])
    assert ends == pytest.approx([2.0, 2.5])


def test_a_long_job_that_wakes_and_may_not_wait_is_the_next_one() -> None:
    jobs = [(0.0, 1.0, 1), (0.1, 1.0, 1), (0.2, 1.0, 1)]
    assert ends_of(lambda one: Cores(one, 1, waits=lambda: True), jobs)[0] == pytest.approx([1.0, 2.0, 3.0])
    assert ends_of(lambda one: Cores(one, 1, waits=lambda: False), jobs)[0] == pytest.approx([1.0, 3.0, 2.0])
