"""Figures of the document: medians over the rounds of pairs."""

import pytest

from litho.benchmarks.ray_cluster.documents import Fault, Faults, Rate, RayCluster
from litho.benchmarks.shared.machine import describe_machine

FAULTS = Faults(
    pictures=1000,
    shards=10,
    nodes=4,
    faults=(Fault(what="worker", at=2), Fault(what="driver", at=4), Fault(what="node", at=6)),
    retries=1,
    missing=0,
    different=0,
    twice=0,
    alone_seconds=3.0,
    seconds=9.0,
)


def result() -> RayCluster:
    rates = [
        Rate(where=where, workers=workers, pictures_per_second=speed, start_seconds=start)
        for where, workers, speeds, start in (
            ("process", 1, (1000, 500, 1000), 1.0),
            ("ray", 1, (800, 400, 1000), 5.0),
            ("ray", 2, (1600, 600, 1700), 6.0),
        )
        for speed in speeds
    ]
    return RayCluster(
        bundle="digits",
        per_shard=100,
        faults=FAULTS,
        rates=tuple(rates),
        problems=(),
        machine=describe_machine(),
    )


def test_gain_and_overhead_compare_runs_of_the_same_round() -> None:
    found = result()
    assert found.gain == pytest.approx(1.7)  # of 2.0, 1.5 and 1.7
    assert found.overhead_ms == pytest.approx(0.25)  # of 0.25, 0.5 and 0
    assert found.rate("ray", 1) == 800
    assert found.start_seconds("ray", 2) == 6.0
    assert RayCluster.model_validate_json(found.model_dump_json()) == found
