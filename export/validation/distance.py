"""Fréchet distance of a variant's pictures from PyTorch's as a set, and how much a precision adds to it.

PyTorch makes two sets of pictures, A and B. The variant makes pictures from A's inputs; the figure is their distance
from B over the distance of A from B. Near 1, many pictures do not reveal the precision. The figure needs no real
pictures, only the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...bundle.manifest import Figure
from ...errors import EvaluationError
from ...parity.gate import DISTANCE_RATIO, Gate
from ...parity.replay import make
from ...runners.base import Runner
from ...signature import Signature

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SAMPLES", "Distance"]

SAMPLES = 512
"""Pictures in each set."""

_AT_ONCE = 64
_SEEDS = (2, 3)
"""Seeds of the draws of A and B; probes and calibration use others."""

_FEATURES = (32, 64, 128)
"""Channels of the untrained network's layers."""


class Distance:
    """Measures variants against one PyTorch model, whose pictures are made when they are first needed.

    Args:
        reference: PyTorch in FP32.
        data: name of the data that the model was trained on. The features come from its feature net if that is in the
            user's cache, else from an untrained network with fixed weights.
        samples: pictures in each set.
    """

    def __init__(self, reference: Runner, data: str | None, samples: int = SAMPLES) -> None:
        self._reference, self._data, self._samples = reference, data, samples

    def figure(self, variant: Runner, gate: Gate) -> Figure:
        """FD(variant of A, B) / FD(A, B); without a value, and with the reason, if it could not be computed.

        Args:
            variant: of the same generator.
            gate: holds the limit.
        """
        name = f"{DISTANCE_RATIO} ({self._net[0]})"
        value, why = None, ""
        try:
            made = self._net[1](make(variant, self._inputs(0), _AT_ONCE))
            value = self._distance(made) / self._reference_distance
        except EvaluationError as error:
            why = str(error)
        except ZeroDivisionError:
            why = "the distance between two sets of PyTorch's own pictures is 0"
        return Figure(metric=name, value=value, at_most=gate.distance_ratio, why=why)

    def _inputs(self, which: int) -> dict[str, NDArray]:
        signature: Signature = self._reference.signature
        return signature.example(self._samples, seed=_SEEDS[which])

    def _distance(self, features: Tensor) -> float:
        from ...training.metrics.distance import frechet_distance

        return frechet_distance(self._others, features)

    @cached_property
    def _reference_distance(self) -> float:
        return self._distance(self._net[1](make(self._reference, self._inputs(0), _AT_ONCE)))

    @cached_property
    def _others(self) -> Tensor:
        return self._net[1](make(self._reference, self._inputs(1), _AT_ONCE))

    @cached_property
    def _net(self) -> tuple[str, Callable[[NDArray[np.uint8]], Tensor]]:
        from ...training.evaluation.feature_net import cached_net

        net = (
            None
            if self._data is None
            else cached_net(self._data, self._reference.signature.output.usual_shape)
        )
        if net is not None:
            return net.info.name, lambda pictures: net.classify(pictures).features
        return "untrained net", _untrained


def _untrained(pictures: NDArray[np.uint8]) -> Tensor:
    """Features of an untrained convolutional network with fixed weights, FP32 of shape (count, 128)."""
    import torch
    from torch.nn import functional

    from ...training.data.pixels import from_pixels

    random = torch.Generator().manual_seed(0)
    features = from_pixels(torch.from_numpy(pictures))
    with torch.inference_mode():
        for count in _FEATURES:
            shape = (count, features.shape[1], 4, 4)
            weight = torch.randn(shape, generator=random) * (2 / (shape[1] * 16)) ** 0.5
            features = functional.relu(functional.conv2d(features, weight, stride=2, padding=2))
        return features.mean((2, 3))
