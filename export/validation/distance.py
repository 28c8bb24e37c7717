"""Fréchet distance of a variant's pictures from PyTorch's as a set, and how much a precision adds to it.

PyTorch makes two sets of pictures, A and B. The variant makes pictures from A's inputs; the figure is their distance
from B over the distance of A from B, with a bootstrap interval (`paired_sets`). Near 1, many pictures do not reveal
the precision. The figure needs no real pictures, only the weights.

A variant is refused if even the lower bound of the interval is above the limit. Pictures of the same distribution are
so refused less than once in twenty sets.

A generator with much arithmetic is measured with the first of these pictures, and with all of them only if the first
ones leave the verdict open. The unit falls about as 1/n with the number of pictures, so that one and the same excess
is a smaller share of it in small sets. Small sets therefore pass only if the upper bound of the excess is within a
part of the limit that is smaller still; they are refused as large ones are.

Pictures have 8 bits. Two sets of an untrained or nearly constant generator can be so near each other that a hundredth
of a grey level multiplies their distance. The unit of the ratio is therefore never less than the distance between A
and A with errors of up to one grey level in every pixel. Of a trained generator that decides nothing: of
`dcgan-fashion` it is 400 times smaller than the distance of A from B.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.manifest import Figure, Sampler
from ...errors import EvaluationError
from ...parity.gate import DISTANCE_RATIO, Gate
from ...parity.replay import make
from ...runners.base import Runner
from ...signature import AT_ONCE, Signature
from ..precisions import Precision
from .paired_sets import PairedSets, frechet

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FIRST", "SAMPLES", "Distance", "Draw", "at_once", "sample_count"]

Draw = Callable[[Runner, dict[str, NDArray[Any]]], NDArray[np.uint8]]
"""Makes the pictures of inputs with a runner, or with others that are like it."""

SAMPLES = 512
"""Pictures in each set. One process makes them on all cores: others take longer to start than these to make."""

_FEW_SAMPLES = 128
"""Pictures in each set, for a generator that takes many steps per picture or makes pictures above 128x128."""

FIRST = 128
"""Pictures in each set at first, for a generator with much arithmetic for a picture."""

_STRICTER = 2.0
"""How much smaller than its share of the pictures that part of the limit is which the first ones must keep."""

_SEEDS = (2, 3)
"""Seeds of the draws of A and B; probes and calibration use others."""

_NOISE_SEED = 5
_LEAST_PICTURES = 2
_FEATURES = (32, 64, 128)
"""Channels of the untrained network's layers."""


def sample_count(signature: Signature, sampler: Sampler | None) -> int:
    """Pictures in each set for a generator with this signature, and with this sampler or without one."""
    return SAMPLES if sampler is None and signature.at_once == AT_ONCE else _FEW_SAMPLES


def at_once(runner: Runner) -> int:
    """Pictures of one run that fit into memory and that the runner takes: an engine may be built for fewer."""
    return min(runner.signature.at_once, runner.max_batch_size)


class Distance:
    """Measures variants against one PyTorch model, whose pictures are made when they are first needed.

    Args:
        reference: PyTorch in FP32.
        data: name of the data that the model was trained on. The features come from its feature net if that is in the
            user's cache, else from an untrained network with fixed weights.
        samples: pictures in each set.
        draw: makes pictures of inputs, UINT8 of shape (count, height, width, channels); by default the runner does.
        first: pictures in each set at first; more are made only if these leave the verdict open. By default all.
    """

    def __init__(
        self,
        reference: Runner,
        data: str | None,
        samples: int = SAMPLES,
        draw: Draw | None = None,
        *,
        first: int | None = None,
    ) -> None:
        self._reference, self._data, self._samples = reference, data, samples
        self._draw = draw or (lambda runner, inputs: make(runner, inputs, at_once(runner)))
        self._first = min(first or samples, samples)
        self._made: dict[int, NDArray[np.uint8]] = {}
        self._known: dict[int, PairedSets] = {}

    @property
    def to_make(self) -> int:
        """Pictures that the next figure takes at first: the variant's, and PyTorch's if they are not made yet."""
        return self._first * (1 if self._known else 3)

    def figures(self, variant: Runner, precision: Precision, gate: Gate) -> list[Figure]:
        """`figure` for a verdict; none in FP32, which promises the same pictures."""
        return [] if precision.element == "FLOAT" else [self.figure(variant, gate)]

    def figure(self, variant: Runner, gate: Gate) -> Figure:
        """FD(variant of A, B) / FD(A, B); without a value, and with the reason, if it could not be computed.

        Args:
            variant: of the same generator.
            gate: holds the limit.
        """
        pictures = self._drawn(variant, 0, 0, self._first)
        if self._first < self._samples:
            figure = self._figure(pictures, gate, f", {self._first} pictures")
            if self._settled(figure):
                return figure
            rest = self._drawn(variant, 0, self._first, self._samples)
            pictures = np.concatenate([pictures, rest])
        return self._figure(pictures, gate)

    def _settled(self, figure: Figure) -> bool:
        """Whether the first pictures decide; where there is no limit there is nothing to decide."""
        if figure.value is None or figure.lower is None or figure.upper is None:
            return False
        if figure.at_most is None or figure.lower > figure.at_most:
            return True
        return figure.upper - 1 <= (figure.at_most - 1) * self._first / self._samples / _STRICTER

    def _figure(self, pictures: NDArray[np.uint8], gate: Gate, few: str = "") -> Figure:
        name = f"{DISTANCE_RATIO} ({self._net[0]}{few})"
        try:
            found = self._sets(len(pictures)).ratio(self._features(pictures))
        except EvaluationError as error:
            why = str(error)
        except ZeroDivisionError:
            why = "the distance between two sets of PyTorch's own pictures is 0"
        else:
            return Figure(
                metric=name,
                value=found.value,
                lower=found.lower,
                upper=found.upper,
                at_most=gate.distance_ratio,
            )
        return Figure(metric=name, value=None, at_most=gate.distance_ratio, why=why)

    def _drawn(self, runner: Runner, which: int, start: int, end: int) -> NDArray[np.uint8]:
        """Some pictures of A or B."""
        inputs = self._reference.signature.example(self._samples, seed=_SEEDS[which])
        return self._draw(runner, {name: values[start:end] for name, values in inputs.items()})

    def _features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """FP64 of shape (count, features).

        Raises:
            EvaluationError: there is one picture only, or a feature is not finite, on which LAPACK ends the process.
        """
        if len(pictures) < _LEAST_PICTURES:
            raise EvaluationError(
                f"{len(pictures)} pictures are too few for this figure; it needs {_LEAST_PICTURES} or more"
            )
        features = self._net[1](pictures).double().cpu().numpy()
        if not np.isfinite(features).all():
            raise EvaluationError("a feature is NaN or infinite; no distance can be computed")
        return features

    def _sets(self, count: int) -> PairedSets:
        if count not in self._known:
            self._known[count] = self._paired(count)
        return self._known[count]

    def _of_reference(self, which: int, count: int) -> NDArray[np.uint8]:
        have = len(self._made.get(which, ()))
        if have < count:
            more = self._drawn(self._reference, which, have, count)
            self._made[which] = np.concatenate([self._made[which], more]) if have else more
        return self._made[which]

    def _paired(self, count: int) -> PairedSets:
        pictures = self._of_reference(0, count)
        noise = np.random.default_rng(_NOISE_SEED).integers(-1, 2, pictures.shape, dtype=np.int16)
        noisy = np.clip(pictures + noise, 0, 255).astype(np.uint8)
        first = self._features(pictures)
        others = self._features(self._of_reference(1, count))
        return PairedSets(first, others, least=frechet(first, self._features(noisy)))

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
