import os
from pathlib import Path

from litho.benchmarks.capacity.shape import Served
from litho.benchmarks.capacity.timing import measure_runner
from litho.benchmarks.shared.cores import only_on
from litho.bundle import Bundle


def test_a_runner_is_timed_at_every_size(bundle: Path) -> None:
    found = measure_runner(Bundle.load(bundle), None, Served(largest=4), "cpu", 0.1)
    assert list(found.batch_ms) == [1, 2, 4]
    assert all(taken > 0 for taken in found.batch_ms.values())
    assert found.contention >= 1
    assert 0 <= found.jitter < 1
    assert found.step_ms is None


def test_two_runners_on_one_core_are_timed_in_turns(bundle: Path) -> None:
    with only_on((min(os.sched_getaffinity(0)),)):
        found = measure_runner(Bundle.load(bundle), None, Served(largest=8), "cpu", 0.1)
    assert found.contention == 1.0
    assert found.switch_rows_ms is not None
    assert list(found.switch_rows_ms) == [1, 8]
    assert found.switch_rows_ms[1] == 0.0


def test_a_sampler_is_timed_by_its_stages(flow_bundle: Path) -> None:
    found = measure_runner(Bundle.load(flow_bundle), None, Served(instances=1, largest=2), "cpu", 0.1)
    assert found.step_ms is not None
    assert found.decode_ms is not None
    assert list(found.step_ms) == [1, 2]
