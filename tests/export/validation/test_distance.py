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


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images // 2,
        lambda images: np.repeat(images[:1], len(images), axis=0),
        lambda images: images // 64 * 64,
    ],
    ids=["darker", "one picture for all", "four levels"],
)
def test_other_pictures_are_further(
    reference: TorchRunner, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    figure = Distance(reference, None, samples=128).figure(Changed(reference, change), GATE)
    assert figure.value is not None
    assert figure.value > 1.05
    assert not figure.passed


def test_the_judge_is_named(reference: TorchRunner) -> None:
    figure = Distance(reference, "data that nobody has", samples=64).figure(reference, GATE)
    assert figure.metric == "FD ratio (untrained net)"
