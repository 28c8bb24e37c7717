"""Number of modes in generated pictures, and the divergence of their distribution from the real one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import EvaluationError

__all__ = ["MODE_SAMPLES", "divergence", "modes"]

MODE_SAMPLES = 26_000
"""Number of samples in publications on Stacked MNIST (Metz et al. 2017; Lin et al. 2018)."""


def modes(predicted: NDArray[np.int64]) -> int:
    """Number of kinds that occur at least once; predicted: INT64 of shape (count,)."""
    return len(np.unique(predicted))


def divergence(predicted: NDArray[np.int64], real: NDArray[np.int64], kinds: int) -> float:
    """KL(generated || real) of the two distributions over the kinds, in nats (Metz et al. 2017).

    Args:
        predicted: kind of each generated picture, INT64 of shape (count,), values in [0, kinds - 1].
        real: kind of each real picture, INT64 of shape (count,); every kind occurs.
        kinds: number of kinds.

    Raises:
        EvaluationError: a kind has no real picture; the divergence would be infinite.
    """
    share, real_share = (np.bincount(some, minlength=kinds) / len(some) for some in (predicted, real))
    if not real_share.all():
        raise EvaluationError(
            f"{int((real_share == 0).sum())} of {kinds} kinds have no real picture to compare with"
        )
    occurring = share > 0
    return float((share[occurring] * np.log(share[occurring] / real_share[occurring])).sum())
