import os
from pathlib import Path

import pytest

from litho.benchmarks.capacity.measuring import Measuring, here, kinds_of, measured_costs
from litho.benchmarks.capacity.shape import Kind
from litho.bundle import Bundle
from litho.errors import UsageError


def test_kinds_follow_a_mix_and_the_usual_steps(bundle: Path, flow_bundle: Path) -> None:
    assert kinds_of(Bundle.load(bundle), None) == (Kind(),)
    assert kinds_of(Bundle.load(bundle), "n=2:3;n=1") == (Kind(rows=2, weight=3), Kind())
    (usual,) = kinds_of(Bundle.load(flow_bundle), None)
    assert usual.steps > 1
    assert kinds_of(Bundle.load(flow_bundle), "steps=3,n=2")[0] == Kind(rows=2, steps=3)
    with pytest.raises(UsageError, match="--mix was given 'steps'"):
        kinds_of(Bundle.load(bundle), "steps=4")


def test_this_machine_has_the_cores_that_this_process_may_use() -> None:
    assert here("cpu").cores == len(os.sched_getaffinity(0))
    assert here("cpu").devices == 0
    assert here("cuda").devices >= 1


@pytest.mark.slow
def test_costs_of_a_served_bundle_have_overhead(bundle: Path) -> None:
    found = measured_costs(Bundle.load(bundle), (Kind(),), Measuring(seconds=1.0))
    assert 1 in found
    overhead = found[1].overhead  # on a machine that is busy one of them may be too small to be seen
    assert overhead.request_ms + overhead.batch_ms + overhead.pass_ms + overhead.idle_ms > 0
    assert len({costs.overhead for costs in found.values()}) == 1
