"""The Fréchet distance of a variant's pictures, over that of PyTorch's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from litho.export.validation.distance import Distance
from litho.parity.gate import Gate
from litho.runners.base import Runner
from litho.runners.torch import Runner as TorchRunner
from litho.training.run.snapshot import load_snapshot

GATE = Gate(distance_ratio=1.05)


@pytest.fixture(scope="module")
def reference(run: Path) -> TorchRunner:
    return TorchRunner(load_snapshot(run).picture())


class Changed(Runner):
    """Pictures of another runner, changed."""

    name = "changed"

    def __init__(self, inner: Runner, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        super().__init__(inner.signature, "changed pictures")
        self._inner, self._change = inner, change

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        return self._change(self._inner.run(inputs)["image"])


def test_the_same_pictures_are_as_far_as_pytorch_s_own(reference: TorchRunner) -> None:
    figure = Distance(reference, None, samples=128).figure(reference, GATE)
    assert figure.value == pytest.approx(1.0)
    assert figure.passed


def test_a_variant_makes_no_more_pictures_at_once_than_it_takes(reference: TorchRunner) -> None:
    batches = list[int]()

    def note(images: NDArray[Any]) -> NDArray[Any]:
        batches.append(len(images))
        return images

    engine = Changed(reference, note)
    engine.max_batch_size = 48
    assert Distance(reference, None, samples=128).figure(engine, GATE).passed
    assert batches == [48, 48, 32]


def _noted(
    reference: TorchRunner, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> tuple[Changed, list[int]]:
    made = list[int]()

    def note(images: NDArray[Any]) -> NDArray[Any]:
        made.append(len(images))
        return change(images)

    return Changed(reference, note), made


def test_the_first_pictures_decide_where_they_can(reference: TorchRunner) -> None:
    distance = Distance(reference, None, samples=128, first=64)
    assert distance.to_make == 3 * 64
    same, made = _noted(reference, lambda images: images)
    figure = distance.figure(same, GATE)
    assert figure.passed
    assert (figure.metric, sum(made)) == ("FD ratio (untrained net, 64 pictures)", 64)
    other, made = _noted(reference, lambda images: images // 2)
    assert not distance.figure(other, GATE).passed
    assert sum(made) == 64
    unlimited, made = _noted(reference, lambda images: images // 2)
    assert distance.figure(unlimited, Gate()).passed
    assert sum(made) == 64


def _one_wrong() -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Inverts the first picture of all: some draws of few pictures lack it, so that their bounds lie far apart."""
    first = iter([True])

    def change(images: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([255 - images[:1], images[1:]]) if next(first, False) else images

    return change


def test_all_pictures_are_made_where_the_first_ones_leave_it_open(reference: TorchRunner) -> None:
    few, whole = (Distance(reference, None, samples=count) for count in (64, 128))
    passed_by_few = few.figure(Changed(reference, _one_wrong()), GATE)
    assert passed_by_few.passed, "few pictures alone show nothing"
    other, made = _noted(reference, _one_wrong())
    figure = Distance(reference, None, samples=128, first=64).figure(other, GATE)
    assert figure == whole.figure(Changed(reference, _one_wrong()), GATE)
    assert sum(made) == 128


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images // 2,
        lambda images: np.repeat(images[:1], len(images), axis=0),
        lambda images: images // 64 * 64,
        lambda images: np.repeat(images[::8], 8, axis=0)[: len(images)],
        lambda images: ((images + np.roll(images, 1, axis=2).astype(int)) // 2).astype(np.uint8),
        lambda images: images[:, ::-1],
    ],
    ids=["darker", "one picture for all", "four levels", "few pictures", "blurred", "upside down"],
)
def test_other_pictures_are_further(
    reference: TorchRunner, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    figure = Distance(reference, None, samples=128).figure(Changed(reference, change), GATE)
    assert figure.value is not None
    assert figure.lower is not None
    assert figure.upper is not None
    assert GATE.distance_ratio is not None
    assert GATE.distance_ratio < figure.lower <= figure.value <= figure.upper
    assert not figure.passed


def test_what_is_far_below_a_grey_level_refuses_no_variant(reference: TorchRunner) -> None:
    """The sets of a generator that paints nearly the same picture each time are so near each other that a hundredth of
    a grey level multiplies their distance."""

    def nearly_constant(images: NDArray[Any]) -> NDArray[Any]:
        return (128 + (images > 250)).astype(np.uint8)

    def a_few_pixels_off(images: NDArray[Any]) -> NDArray[Any]:
        made = nearly_constant(images)
        made[:, ::9, ::11] += 1
        return made

    flat = Changed(reference, nearly_constant)
    distance = Distance(flat, None, samples=128)
    assert distance.figure(Changed(reference, a_few_pixels_off), GATE).passed
    assert not distance.figure(Changed(reference, lambda images: nearly_constant(images) + 4), GATE).passed


def test_features_that_are_not_numbers_give_no_figure(
    reference: TorchRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(
        "litho.export.validation.distance._untrained",
        lambda pictures: torch.full((len(pictures), 4), float("nan")),
    )
    figure = Distance(reference, None, samples=16).figure(reference, GATE)
    assert figure.value is None
    assert "NaN" in figure.why


def test_the_judge_is_named(reference: TorchRunner) -> None:
    figure = Distance(reference, "data that nobody has", samples=64).figure(reference, GATE)
    assert figure.metric == "FD ratio (untrained net)"
