from collections.abc import Callable

import pytest
import simpy
from hypothesis import given, strategies as st

from litho.benchmarks.capacity.cores import Caches, Cores, Task, Thread


def ends_of(
    cores: Callable[[simpy.Environment], Cores], jobs: list[tuple[float, float, int]]
) -> tuple[list[float], Cores]:
    """When jobs end that begin at some time, with some work and threads; and the cores."""
    environment = simpy.Environment()
    made, ends = cores(environment), [0.0] * len(jobs)

    def job(number: int, begin: float, work: float, threads: int):
        yield environment.timeout(begin)
        yield made.run(work, threads=threads)
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


@pytest.mark.parametrize(("begin", "end"), [(2.0, 2.5), (1.0, 5.0)])
def test_a_thread_that_wakes_takes_a_core_at_once_or_waits_for_the_next_tick(
    begin: float, end: float
) -> None:
    # The other one has had its base slice of 1.4 ms, or not.
    ends, _ = ends_of(lambda one: Cores(one, 1, slice_ms=4.5), [(0, 9, 1), (begin, 0.5, 1)])
    assert ends == pytest.approx([9.5, end])


def test_who_had_more_than_its_share_waits_when_it_wakes_again() -> None:
    environment, ended = simpy.Environment(), list[float]()
    cores, task = Cores(environment, 1, slice_ms=4.0), Task()

    def often():
        yield environment.timeout(2.0)
        for _ in range(2):
            yield cores.run(1.5, task)
            ended.append(environment.now)
            yield environment.timeout(0.1)

    cores.run(20.0, caches=Caches("long"))
    environment.process(often())
    environment.run()
    # The first time it takes the core at once; the second time the long one keeps it until the tick at 8 ms.
    assert ended == pytest.approx([3.5, 9.5])


def test_equal_jobs_take_turns_from_tick_to_tick() -> None:
    ends, _ = ends_of(lambda one: Cores(one, 1, slice_ms=4.0), [(0, 10, 1), (0, 10, 1)])
    assert ends == pytest.approx([18.0, 20.0])


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 3), st.integers(1, 2)), min_size=1, max_size=8),
    st.integers(1, 3),
)
def test_no_work_is_lost_and_no_core_is_idle_while_work_waits(jobs: list, count: int) -> None:
    ends, cores = ends_of(lambda one: Cores(one, count, slice_ms=0.5), jobs)
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
    thread = Thread(cores, wake_ms=1.0, item_ms=0.5)
    for _ in range(3):
        thread.handle(lambda: ended.append(environment.now))
    environment.run()
    assert ended == pytest.approx([1.5, 2.0, 2.5])
    assert thread.wakes == 1


def test_a_thread_on_another_machine_costs_no_time() -> None:
    ended = []
    Thread(None, 1.0, 1.0).handle(lambda: ended.append(True))
    assert ended == [True]


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


def test_a_job_that_gets_its_core_back_from_another_owner_takes_longer() -> None:
    environment, ended = simpy.Environment(), list[float]()
    cores = Cores(environment, 1, slice_ms=4.0)
    for owner in "ab":
        done = cores.run(6.0, caches=Caches(owner, 0.25, 0.5))
        done.callbacks.append(lambda _: ended.append(environment.now))
    environment.run()
    assert cores.switches == 2  # each began once
    assert cores.switched_ms == pytest.approx(2 * 0.25 + 2 * 0.5)
    assert ended[-1] == pytest.approx(13.5)


def test_a_thread_that_gets_its_next_job_at_once_keeps_its_core() -> None:
    environment, ended = simpy.Environment(), list[float]()
    cores, task = Cores(environment, 1, slice_ms=4.0), Task()

    def jobs():
        for _ in range(3):
            yield cores.run(0.5, task)
            ended.append(environment.now)

    environment.process(jobs())
    cores.run(8.0)
    environment.run()
    # It asks after the long one, waits for the tick, and then does all of its jobs.
    assert ended == pytest.approx([4.5, 5.0, 5.5]) or ended == pytest.approx([0.5, 1.0, 1.5])


def test_who_falls_asleep_ahead_of_its_share_does_not_lose_that() -> None:
    environment, begun = simpy.Environment(), list[float]()
    cores, greedy = Cores(environment, 1, slice_ms=4.0), Task()

    def jobs():
        yield cores.run(3.9, greedy)
        yield environment.timeout(0.05)
        yield cores.run(0.1, greedy)
        begun.append(environment.now)

    environment.process(jobs())
    environment.timeout(1.0).callbacks.append(lambda _: cores.run(6.0))
    environment.run()
    assert begun[0] > 6.0  # the other one has waited for 2.9 ms, and is owed that


def test_a_core_that_nobody_wants_is_idle() -> None:
    ends, cores = ends_of(lambda one: Cores(one, 2), [(1, 2, 1)])
    assert ends == pytest.approx([3])
    assert cores.idle == pytest.approx(2.0)
