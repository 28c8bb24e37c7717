from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from litho.benchmarks.load.documents.measurement import Measurement, Picked
from litho.benchmarks.load.measuring.references import Reference, reference_of
from litho.bundle import Bundle
from litho.bundle.probes import Probes
from litho.errors import EndpointError, UsageError
from litho.parity.gate import Gate, limits
from litho.runners import open_runner

from ...planted_triton import SIGNATURE, PlantedTriton, painted

RIGHT = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
PROBES = Probes({"seed": np.arange(64)}, RIGHT)


def measured(numbers, made):
    return Measurement(
        seconds=1.0,
        batch=1,
        latencies_ms=np.ones(4),
        errors=Counter(),
        client_cpu_seconds=0.0,
        server=None,
        picked=Picked(np.array(numbers), made),
    )


def reference(precision="fp32", **changed):
    return Reference(PROBES, replace(limits(precision), **changed), "the probes of bundle x", precision)


def test_right_pictures_pass_in_any_order_and_more_than_once():
    numbers = [5, 5, 63, 0]
    quality = reference().judged(measured(numbers, RIGHT[numbers]))
    assert quality.passed
    assert (quality.pictures, quality.wrong, quality.worst_difference) == (4, 0, 0)
    assert quality.psnr_min_db == 100
    assert quality.against == "the probes of bundle x"


def test_one_picture_of_another_probe_is_named_first():
    quality = reference().judged(measured([3, 4, 5], RIGHT[[3, 4, 6]]))
    assert quality.wrong == 1
    assert quality.reason.startswith(
        "wrong pictures came back under load (1 of 3 checked, against the probes of bundle x): a pixel is"
    )
    assert "grey levels off" in quality.reason


def test_pictures_of_another_size_are_all_wrong():
    quality = reference().judged(measured([1, 2], np.zeros((2, 4, 4, 1), np.uint8)))
    assert (quality.wrong, quality.worst_difference) == (2, None)
    assert "could not be computed" in quality.reason


def rounded(levels):
    noise = np.random.default_rng(1).integers(-levels, levels + 1, RIGHT.shape)
    return np.clip(RIGHT + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("other", [1, 2, 20])
def test_a_precision_without_limits_of_one_picture_still_knows_another_picture(other):
    made = rounded(12)
    assert reference("int8").judged(measured(range(64), made)).passed
    made[:other] = RIGHT[32 : 32 + other]
    quality = reference("int8").judged(measured(range(64), made))
    assert quality.wrong == other
    assert quality.passed is (other == 1)  # of 64, one may part


def test_nothing_picked_is_no_quality():
    assert reference().judged(replace(measured([1], RIGHT[:1]), picked=None)) is None
    assert reference().judged(measured([], RIGHT[:0])) is None


def test_without_a_bundle_the_server_is_asked_alone_and_that_is_said():
    with PlantedTriton() as server, open_runner(server.url) as runner:
        found = reference_of(runner)
        assert server.asked == 64
    assert found.alone
    assert "asked one by one before the load" in found.against
    assert found.gate == Gate(max_abs_levels=1, identical_share=0.999)
    np.testing.assert_array_equal(found.probes.images, painted(found.inputs["seed"]))
    wrong = found.judged(measured([0], found.probes.images[1:2]))
    assert "PyTorch" not in wrong.reason


def test_what_fails_alone_is_left_out_unless_all_does():
    with PlantedTriton(fail_every=4) as server, open_runner(server.url) as runner:
        found = reference_of(runner)
        np.testing.assert_array_equal(found.probes.images, painted(found.inputs["seed"]))
        assert len(found.probes.images) == 48
        server.fail_every = 1
        with pytest.raises(EndpointError, match=r"asked alone, before any load: .*planted"):
            reference_of(runner)


def test_a_slow_server_is_asked_alone_for_so_long_only():
    with PlantedTriton(seconds=0.02) as server, open_runner(server.url) as runner:
        assert 1 <= len(reference_of(runner, alone_seconds=0.05).probes.images) < 10


@pytest.mark.slow
def test_probes_come_from_the_repository_of_a_server_here_or_from_the_bundle(server, bundle):
    with open_runner(f"{server.endpoints[0]}") as runner:
        from_repository, from_bundle = reference_of(runner), reference_of(runner, bundle)
    assert from_repository.against == from_bundle.against == "the probes of bundle tiny"
    np.testing.assert_array_equal(from_repository.probes.images, Bundle.load(bundle).probes().images)
    assert not from_repository.alone


@pytest.mark.slow
def test_a_bundle_of_other_weights_or_inputs_is_refused(bundle: Path):
    for signature, message in (
        (
            Bundle.load(bundle).manifest.signature,
            "was made from checkpoint .* serves 000000000000; give the bundle",
        ),
        (
            SIGNATURE,
            r"takes \['label', 'seed', 'truncation'\], .* takes \['label', 'seed'\]; give the bundle",
        ),
    ):
        with (
            PlantedTriton(signature=signature) as server,
            open_runner(server.url) as runner,
            pytest.raises(UsageError, match=message),
        ):
            reference_of(runner, bundle)
