"""How much further a variant's set of pictures is from other pictures by PyTorch than PyTorch's own, with an interval.

The Fréchet distance of two finite sets of one distribution is not 0: it has a bias of the order 1/n (Heusel et al.
2017, appendix; Chong and Forsyth 2020, section 3). A variant's set is made from the inputs of a set of PyTorch's, so
that both have the same bias, and it cancels in their difference: the excess. PyTorch's own distance, which is that
bias, is the unit in which the excess is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONFIDENCE", "RESAMPLES", "Estimate", "PairedSets", "frechet"]

RESAMPLES = 200
"""Bootstrap samples of the pictures (Efron and Tibshirani 1993, chapter 13)."""

CONFIDENCE = 0.95
"""Confidence of each bound alone."""

_SEED = 4
_RIDGE = 1e-12
"""Share of the mean variance that is added to every variance: a covariance of few pictures has no Cholesky factor."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its bounds, each with a confidence of `CONFIDENCE`."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class _Moments:
    """Mean, covariance, and its Cholesky factor once it is asked for."""

    mean: Array
    covariance: Array

    @classmethod
    def of(cls, features: Array, weights: Array) -> _Moments:
        """The moments of features of shape (count, features), each row counted `weights` times."""
        count = weights.sum()
        mean = weights @ features / count
        centred = features - mean
        return cls(mean, (centred * weights[:, None]).T @ centred / (count - 1))

    def factor(self) -> Array:
        """The lower Cholesky factor of the covariance."""
        size = len(self.mean)
        ridge = _RIDGE * self.covariance.trace() / size + np.finfo(np.float64).tiny
        return np.linalg.cholesky(self.covariance + ridge * np.eye(size))


def frechet(first: Array, second: Array) -> float:
    """The Fréchet distance of two sets of features of shape (count, features) (Heusel et al. 2017, eq. 6)."""
    one = _Moments.of(first, np.ones(len(first)))
    return _distance(one, one.factor(), _Moments.of(second, np.ones(len(second))))


def _distance(one: _Moments, factor: Array, other: _Moments) -> float:
    # tr (C1 C2)^(1/2) is the sum of the roots of the eigenvalues of L' C2 L, where C1 = L L'. That matrix is
    # symmetric, so that its eigenvalues cost a fraction of those of C1 C2.
    roots = np.sqrt(np.linalg.eigvalsh(factor.T @ other.covariance @ factor).clip(min=0))
    apart = np.square(one.mean - other.mean).sum()
    return float(apart + one.covariance.trace() + other.covariance.trace() - 2 * roots.sum())


class PairedSets:
    """Two sets of PyTorch's pictures, A and B, to measure variants of A with.

    The interval is a bootstrap: pictures of A and B are drawn again with replacement, a picture of the variant
    together with its picture in A. What sets of this size cannot show is inside it.

    Args:
        first, second: features of A and of B, finite, FP64 of shape (count, features).
        least: smallest unit, in squared units of the features. Where PyTorch's pictures hardly differ from each other,
            their distance says nothing about pictures in 8 bits; the unit is then the distance that errors of one grey
            level make.
    """

    def __init__(self, first: Array, second: Array, least: float = 0.0) -> None:
        self._first = first
        random = np.random.default_rng(_SEED)
        drawn = [(_drawn(random, len(first)), _drawn(random, len(second))) for _ in range(RESAMPLES)]
        whole = np.ones(len(first)), np.ones(len(second))
        self._samples = [_Sample.of(first, second, *weights) for weights in (whole, *drawn)]
        self.unit = max(self._samples[0].distance, least)

    def ratio(self, variant: Array) -> Estimate:
        """1 + (FD(variant, B) - FD(A, B)) / unit; without a least unit that is FD(variant, B) / FD(A, B).

        Args:
            variant: features of the variant's pictures of A's inputs, in A's order, of A's shape.

        Raises:
            ZeroDivisionError: the unit is 0.
        """
        value, *others = (sample.excess(variant) / self.unit for sample in self._samples)
        # Pictures that are drawn twice add to the bias once more; only the spread of the samples is taken from them.
        lower, middle, upper = np.quantile(others, (1 - CONFIDENCE, 0.5, CONFIDENCE))
        return Estimate(1 + value, 1 + value + float(lower - middle), 1 + value + float(upper - middle))


@dataclass(frozen=True)
class _Sample:
    """One draw of A's and B's pictures: all that no variant changes."""

    weights: Array
    other: _Moments
    factor: Array
    distance: float

    @classmethod
    def of(cls, first: Array, second: Array, weights: Array, other_weights: Array) -> _Sample:
        other = _Moments.of(second, other_weights)
        factor = other.factor()
        return cls(weights, other, factor, _distance(other, factor, _Moments.of(first, weights)))

    def excess(self, variant: Array) -> float:
        return _distance(self.other, self.factor, _Moments.of(variant, self.weights)) - self.distance


def _drawn(random: np.random.Generator, count: int) -> Array:
    """How often each of `count` pictures is in a draw of as many with replacement."""
    return np.bincount(random.integers(count, size=count), minlength=count).astype(np.float64)
