"""Likelihood of pictures under a latent variable model, estimated by importance sampling."""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ...errors import EvaluationError

__all__ = [
    "IMPORTANCE_SAMPLES",
    "LatentVariableModel",
    "evidence_bounds",
    "importance_weighted_nll",
    "log_weights",
]

IMPORTANCE_SAMPLES = 500
ROWS_AT_ONCE = 4096


@runtime_checkable
class LatentVariableModel(Protocol):
    """Methods a generator needs to have its likelihood measured: p(z) = N(0, 1), p(x|z), q(z|x).

    Images and observations are FP32 of shape (batch, channels, height, width), images in [-1, 1]; latents are FP32 of
    shape (batch, latent_size).
    """

    latent_size: int

    def observe(self, images: Tensor, uniform: Tensor) -> Tensor:
        """The observations whose likelihood is computed: binarised, dequantised, or the images themselves.

        Args:
            images: in [-1, 1].
            uniform: in [0, 1), of the shape of the images; the only source of randomness.
        """
        ...

    def encode(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z|x), each of shape (batch, latent_size)."""
        ...

    def log_likelihood(self, observations: Tensor, latent: Tensor) -> Tensor:
        """log p(x|z) in nats, summed over the pixels; of shape (batch,)."""
        ...


def log_weights(
    model: LatentVariableModel,
    observations: Tensor,
    random: torch.Generator,
    samples: int = IMPORTANCE_SAMPLES,
) -> Tensor:
    """log p(x, z_k) - log q(z_k | x) for `samples` latents drawn from q(z|x) (Burda et al. 2016, eq. 8).

    Args:
        model: in eval mode, on the CPU or a GPU.
        observations: of shape (count, channels, height, width), on the model's device.
        random: source of the latents, on the CPU.
        samples: K, latents for each observation.

    Returns:
        FP64 of shape (count, samples), nats, on the CPU.

    Raises:
        EvaluationError: a weight is NaN or infinite.
    """
    at_once = max(1, ROWS_AT_ONCE // samples)
    with torch.inference_mode():
        parts = [_log_weights(model, part, random, samples) for part in observations.split(at_once)]
    weights = torch.cat(parts)
    if not torch.isfinite(weights).all():
        raise EvaluationError(
            "a likelihood is NaN or infinite; the variances of the model have collapsed or diverged"
        )
    return weights


def evidence_bounds(weights: Tensor) -> Tensor:
    """The evidence lower bound of each observation: the mean of its log weights (Kingma and Welling 2014, eq. 2).

    Args:
        weights: FP64 of shape (count, samples), nats.

    Returns:
        FP64 of shape (count,), nats; in expectation not above the log likelihood.
    """
    return weights.mean(1)


def importance_weighted_nll(weights: Tensor) -> Tensor:
    """-log(1/K sum_k w_k), the importance-weighted bound on -log p(x) (Burda et al. 2016, eq. 8).

    Args:
        weights: logarithms, FP64 of shape (count, samples), nats.

    Returns:
        FP64 of shape (count,), nats.
    """
    return math.log(weights.shape[1]) - weights.logsumexp(1)


def _log_weights(
    model: LatentVariableModel, observations: Tensor, random: torch.Generator, samples: int
) -> Tensor:
    count, size = len(observations), model.latent_size
    mean, log_variance = (part.double()[:, None] for part in model.encode(observations))
    noise = torch.randn(count, samples, size, generator=random, dtype=torch.float64).to(mean.device)
    latent = mean + noise * (log_variance / 2).exp()
    repeated = observations.repeat_interleave(samples, 0)
    flat = latent.flatten(0, 1).to(observations.dtype)
    given_latent = model.log_likelihood(repeated, flat).double().view(count, samples)
    # The constants log(2 pi) / 2 of prior and posterior cancel.
    prior, posterior = -latent.square().sum(2) / 2, -(noise.square() + log_variance).sum(2) / 2
    return (given_latent + prior - posterior).cpu()
