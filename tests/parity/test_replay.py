from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from litho.bundle.manifest import Figure
from litho.bundle.probes import Probes
from litho.errors import BundleError, DeviceError, EndpointError, LithoError, MissingExtra
from litho.export import timing
from litho.parity.gate import Gate
from litho.parity.replay import REPLAY_BATCHES, make, prove, replay, replay_batches, served_batches
from litho.runners.base import Runner
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field

EXACT = Gate(max_abs_levels=0)
SIGNATURE = Signature(inputs=(seed_field(),), output=image_output(4, 4, 1))


def picture(seeds: NDArray[Any]) -> NDArray[np.uint8]:
    """Every pixel is the seed modulo 256."""
    return np.broadcast_to(seeds.astype(np.uint8)[:, None, None, None], (len(seeds), 4, 4, 1)).copy()


class Painter(Runner):
    """Paints seeds, and notes the batches that it is given."""

    name = "painter"

    def __init__(self, paint: Callable[[NDArray[Any]], NDArray[np.uint8]] = picture) -> None:
        super().__init__(SIGNATURE, "painter")
        self.batches: list[int] = []
        self._paint = paint

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        self.batches.append(len(inputs["seed"]))
        return self._paint(inputs["seed"])


def bank(count: int) -> Probes:
    seeds = np.arange(count, dtype=np.int64) * 3
    return Probes({"seed": seeds}, picture(seeds))


def test_probes_are_replayed_together_alone_and_in_uneven_parts() -> None:
    runner = Painter()
    outcome = prove(lambda: runner, bank(64), EXACT)
    assert outcome.verdict.status == "passed"
    assert outcome.pictures is not None
    assert (outcome.pictures == bank(64).images).all()
    assert runner.batches[:75] == [64, *[1] * 64, *[7] * 9, 1]


def test_every_other_batch_is_filled_once_or_twice() -> None:
    runner = Painter()
    prove(lambda: runner, bank(64), EXACT)
    assert runner.batches[75:] == [2, 2, 3, 3, 8, 8, 16, 16, 32, 65]
    assert {*runner.batches} == {*REPLAY_BATCHES} == {1, 2, 3, 7, 8, 16, 32, 64, 65}


def test_the_batches_that_are_timed_and_served_are_among_them() -> None:
    assert {*timing.BATCHES, *served_batches(SIGNATURE)} <= set(REPLAY_BATCHES)


def test_the_declared_batches_are_replayed_within_the_profiles() -> None:
    assert replay_batches(5, 64) == (1, 2, 3, 5, 7, 8, 16, 32, 64, 65)
    assert replay_batches(1, 8, 48, profiles=[(1, 48)]) == (1, 2, 3, 7, 8, 16, 32, 48)
    assert replay_batches(profiles=[(4, 8), (30, 33)]) == (4, 7, 8, 30, 32, 33)
    assert replay_batches(profiles=[(1, 16)]) == (1, 2, 3, 7, 8, 16)
    assert replay_batches(128, profiles=[(1, 128)])[-2:] == (65, 128)


@pytest.mark.parametrize(
    ("side", "most", "proven"),
    [
        (28, 64, REPLAY_BATCHES),
        (128, 64, REPLAY_BATCHES),
        (130, 62, (1, 2, 3, 7, 8, 16, 32, 62)),
        (192, 28, (1, 2, 3, 7, 8, 16, 28)),
        (256, 16, (1, 2, 3, 7, 8, 16)),
        (512, 8, (1, 2, 3, 7, 8)),
        (1024, 8, (1, 2, 3, 7, 8)),
    ],
)
def test_large_pictures_are_proven_in_smaller_batches_up_to_the_largest_that_is_served(
    side: int, most: int, proven: tuple[int, ...]
) -> None:
    signature = Signature(inputs=(seed_field(),), output=image_output(side, side, 3))
    assert served_batches(signature) == (1, 8, most)
    assert replay_batches(signature=signature) == replay_batches(1, 8, most, signature=signature) == proven


def test_a_bundle_that_is_served_in_larger_batches_is_replayed_up_to_those() -> None:
    signature = Signature(inputs=(seed_field(),), output=image_output(512, 512, 3))
    assert replay_batches(1, 8, 64, 32, signature=signature) == REPLAY_BATCHES
    assert replay_batches(1, 8, 32, signature=signature) == (1, 2, 3, 7, 8, 16, 32)
    assert replay_batches(1, 8, 64, profiles=[(1, 64)], signature=signature) == REPLAY_BATCHES[:-1]
    assert replay_batches(profiles=[(1, 16)], signature=signature) == (1, 2, 3, 7, 8, 16)


@pytest.mark.parametrize(
    ("batches", "run"),
    [
        ((1, 2, 3, 4), [4, 4, 2, *[1] * 10, 2, 2, 3, 3]),
        ((4,), [4, 4, 4]),
        ((5,), [5, 5]),
        ((5, 12), [5, 5, 12, 12]),
        ((12,), [12]),
        ((3, 7, 64), [7, 3, 3, 3, 64]),
        ((7, 64), [7, 7, 64]),
    ],
)
def test_no_other_batch_is_run_than_the_form_takes(batches: tuple[int, ...], run: list[int]) -> None:
    runner = Painter()
    assert prove(lambda: runner, bank(10), EXACT, batches=batches).verdict.status == "passed"
    assert runner.batches == run


def test_probes_of_other_sizes_and_extremes_are_also_made_alone() -> None:
    runner = Painter()
    banks = [replace(bank(6), name=name) for name in ("size 4x4", "extremes", "labels")]
    wrong = replace(bank(3), images=bank(3).images + np.uint8(1), name="size 2x2")
    outcome = prove(lambda: runner, replace(bank(2), others=(*banks, wrong)), EXACT, batches=(1, 2, 3, 6))
    assert runner.batches == [2, 1, 1, 3, 3, 6, 6, 6, *[1] * 6, 6, *[1] * 6, 6, 3, 1, 1, 1]
    assert outcome.verdict.status == "failed"
    assert "another size" in outcome.verdict.reason


def test_a_bank_that_fails_is_named_with_its_worst_probe() -> None:
    wrong = bank(6).images
    wrong[4] += np.uint8(9)
    labels = replace(bank(6), images=wrong, name="labels")
    reason = prove(Painter, replace(bank(8), others=(labels,)), EXACT).verdict.reason
    assert reason.startswith("labels: a pixel is 9 grey levels off")
    assert reason.endswith("the usual probes pass; the worst of the bank 'labels' is number 4: seed 12")


def test_a_picture_that_depends_on_its_batch_fails_and_is_explained() -> None:
    runner = Painter(lambda seeds: picture(seeds) + np.uint8(9 * (len(seeds) == 7)))
    verdict = prove(lambda: runner, bank(64), EXACT).verdict
    assert verdict.status == "failed"
    assert "depends on the batch" in verdict.reason


@pytest.mark.parametrize("batch", REPLAY_BATCHES)
def test_a_fault_at_one_batch_fails_and_the_batch_is_named(batch: int) -> None:
    def paint(seeds: NDArray[Any]) -> NDArray[np.uint8]:
        made = picture(seeds)
        made[-1:] += np.uint8(3 * (len(seeds) == batch))  # of the last one only
        return made

    verdict = prove(lambda: Painter(paint), bank(64), EXACT).verdict
    assert verdict.status == "failed"
    named = "1 and 7" if batch == 1 else batch  # 64 in parts of 7 leave one
    assert f", only at batch {named};" in verdict.reason


def test_further_figures_are_measured_only_of_pictures_that_passed() -> None:
    far = Figure(metric="FD ratio", value=2.0, at_most=1.0)
    assert prove(Painter, bank(8), EXACT, measure=lambda runner: [far]).verdict.figures[-1] == far
    assert prove(Painter, bank(8), EXACT, measure=lambda runner: [far]).verdict.status == "failed"
    wrong = replace(bank(8), images=255 - bank(8).images)
    assert far not in prove(Painter, wrong, EXACT, measure=lambda runner: [far]).verdict.figures


def test_the_layer_is_asked_for_with_the_failed_pictures() -> None:
    asked: list[NDArray[np.uint8]] = []
    wrong = replace(bank(8), images=np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1), dtype=np.uint8))
    verdict = prove(
        Painter, wrong, EXACT, locate=lambda pictures: asked.append(pictures) or "layer 'x'"
    ).verdict
    assert verdict.reason.endswith("no usual fault explains it; layer 'x'")
    assert (asked[0] == bank(8).images).all()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DeviceError("no GPU"), "not_run"),
        (MissingExtra("openvino", "openvino"), "not_run"),
        (LithoError("it crashed"), "failed"),
    ],
)
@pytest.mark.parametrize("when", ["opening", "running"])
def test_a_runner_that_fails_gets_a_verdict(error: LithoError, status: str, when: str) -> None:
    def fails(*_: Any) -> Any:
        raise error

    outcome = prove(fails if when == "opening" else lambda: Painter(fails), bank(2), EXACT)
    assert outcome.verdict.status == status
    assert outcome.verdict.reason == str(error)
    assert outcome.pictures is None


@pytest.mark.parametrize("error", [EndpointError("it is away"), BundleError("it has changed")])
def test_an_endpoint_that_is_away_and_a_changed_bundle_get_none(error: LithoError) -> None:
    def fails() -> Any:
        raise error

    with pytest.raises(type(error)):
        prove(fails, bank(2), EXACT)


def test_probes_of_another_generator_are_refused() -> None:
    with pytest.raises(LithoError, match="it is another generator"):
        replay(Painter(), Probes({"latent": np.zeros((2, 8), np.float32)}, bank(2).images), 2)


def test_pictures_are_made_in_parts_and_in_order() -> None:
    runner = Painter()
    assert (make(runner, bank(10).inputs, 4) == bank(10).images).all()
    assert runner.batches == [4, 4, 2]


def test_a_lack_of_memory_is_no_verdict() -> None:
    def greedy(seeds: NDArray[Any]) -> NDArray[np.uint8]:
        try:
            return np.empty((1 << 50, 4, 4, 1), np.uint8)
        except MemoryError as error:
            raise LithoError("greedy failed") from error

    with pytest.raises(MemoryError, match="greedy failed"):
        prove(lambda: Painter(greedy), bank(8), EXACT)
