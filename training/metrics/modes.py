"""How many of the kinds of picture that there are a generator makes, and how evenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import EvaluationError

__all__ = ["MODE_SAMPLES", "divergence", "modes"]

MODE_SAMPLES = 26_000
"""Pictures from which the modes of Stacked MNIST are counted in publications (Metz et al. 2017; Lin et al. 2018)."""


def modes(predicted: NDArray[np.int64]) -> int:
    """How many kinds were made at least once; predicted: INT64 of shape (count,)."""
    return len(np.unique(predicted))


def divergence(predicted: NDArray[np.int64], real: NDArray[np.int64], kinds: int) -> float:
    """KL(made || real) of the two distributions over the kinds, in nats (Metz et al. 2017).

    Args:
        predicted: kind of each made picture, INT64 of shape (count,), values in [0, kinds - 1].
        real: kind of each real picture, INT64 of shape (count,); every kind occurs.
        kinds: how many there are.

    Raises:
        EvaluationError: a kind has no real picture, so that the divergence would be infinite.
    """
    made_share, real_share = (np.bincount(some, minlength=kinds) / len(some) for some in (predicted, real))
    if not real_share.all():
        raise EvaluationError(
            f"{int((real_share == 0).sum())} of {kinds} kinds have no real picture to compare with"
        )
    occurring = made_share > 0
    return float((made_share[occurring] * np.log(made_share[occurring] / real_share[occurring])).sum())
