import numpy as np
import pytest

from litho.benchmarks.load.documents.result import BenchResult
from litho.benchmarks.load.documents.windows import Load
from litho.benchmarks.load.measuring.meter import Meter
from litho.benchmarks.load.measuring.references import Reference
from litho.benchmarks.load.measuring.requests import Requests
from litho.benchmarks.load.scenarios import open_scenario
from litho.benchmarks.load.session import (
    Side,
    Stopped,
    Turns,
    another_seed,
    compare_sides,
    points_of,
    sweep,
)
from litho.bundle.probes import Probes
from litho.errors import EndpointError, UsageError
from litho.parity.gate import limits
from litho.reporting.progress import quiet


def side(runner, *, right=True):
    inputs = {"seed": np.arange(8), "label": np.zeros(8, np.int64)}
    greys = (np.arange(8) + (0 if right else 99)).astype(np.uint8)
    images = np.broadcast_to(greys[:, None, None, None], (8, 4, 4, 1))
    reference = Reference(Probes(inputs, images), limits("fp32"), "the probes of bundle x", "fp32")
    meter = Meter(runner, Requests(runner.signature, 1000), open_scenario("closed-loop"))
    return Side(runner, meter, reference)


def test_windows_before_an_error_are_points(planted_runner):
    measured = {Load(batch=1): [], Load(batch=2): []}
    runner = planted_runner(seconds=0.001, dies_after=30)
    with pytest.raises(EndpointError):
        sweep(Turns(60, 600, quiet), side(runner), measured, 100, None)
    points = points_of(side(runner), measured, slo_ms=1000.0)
    assert len(points[0].windows) >= 1
    assert points[0].quality.passed
    assert points[0].goodput.share > 0


def test_pictures_of_this_process_are_checked_too(planted_runner):
    measured = {Load(batch=3): []}
    (point,) = sweep(Turns(0.3, 3, quiet), side(planted_runner(), right=False), measured, 3, None)
    assert point.quality.wrong == point.quality.pictures > 0
    assert "wrong pictures" in point.invalid


def test_a_side_of_wrong_pictures_does_not_win_a_comparison(planted_runner):
    good, wrong = side(planted_runner(seconds=0.002)), side(planted_runner(), right=False)
    (point,) = sweep(Turns(0.1, 3, quiet), good, {Load(): []}, 1, None)
    found = compare_sides(Turns(0.1, 4, quiet), wrong, good, point, 2)
    (problem,) = found.problems
    assert problem.startswith("comparison, a runner with planted faults: wrong pictures")
    assert found.ratio > 1
    assert found.model_copy(update={"at_least": 0.1}).passed is False


def test_what_stopped_a_run_decides_the_exit_code():
    assert (Stopped.by(KeyboardInterrupt()).exit_code, str(Stopped.by(KeyboardInterrupt()))) == (
        130,
        "interrupted",
    )
    assert Stopped.by(EndpointError("gone")).exit_code == 1
    assert Stopped.by(UsageError("no")).exit_code == 2
    assert BenchResult.model_fields["complete"].default is True


def test_the_other_side_gets_seeds_of_its_own():
    assert another_seed(5) == 5 + 2**48
    assert 0 <= another_seed(2**63 - 1) < 2**63
