"""Against a model whose likelihood is known: x = W z + e, the probabilistic PCA of Tipping and Bishop (1999)."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from litho.errors import EvaluationError
from litho.training.metrics.likelihood import (
    LatentVariableModel,
    evidence_bounds,
    importance_weighted_nll,
    log_weights,
)

NOISE = 0.5


class LinearModel:
    """p(x|z) = N(W z, NOISE^2); q(z|x) is the true posterior, or one that is too wide."""

    latent_size = 2

    def __init__(self, widened: float = 1.0) -> None:
        self.weight = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, -1.0], [0.5, 0.0]])
        self.widened = widened

    def observe(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images

    def encode(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        precision = torch.eye(2) + self.weight.T @ self.weight / NOISE**2
        covariance = precision.inverse()  # diagonal, as the columns of W are orthogonal
        mean = observations.flatten(1) @ self.weight @ covariance / NOISE**2
        return mean, (covariance.diagonal() * self.widened).log().expand_as(mean)

    def log_likelihood(self, observations: Tensor, latent: Tensor) -> Tensor:
        difference = observations.flatten(1) - latent @ self.weight.T
        constant = math.log(2 * math.pi * NOISE**2)
        return -0.5 * (difference.square() / NOISE**2 + constant).sum(1)

    def exact_nll(self, observations: Tensor) -> Tensor:
        covariance = self.weight @ self.weight.T + NOISE**2 * torch.eye(4)
        law = torch.distributions.MultivariateNormal(torch.zeros(4), covariance)
        return -law.log_prob(observations.flatten(1))


IMAGES = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 1, 2, 2)).astype(np.float32))


def weights_of(model: LinearModel, samples: int) -> Tensor:
    return log_weights(model, IMAGES, torch.Generator().manual_seed(0), samples)


def test_a_class_with_its_methods_is_a_latent_variable_model() -> None:
    assert isinstance(LinearModel(), LatentVariableModel)
    assert not isinstance(torch.nn.Linear(1, 1), LatentVariableModel)


def test_with_the_true_posterior_both_bounds_are_exact() -> None:
    model = LinearModel()
    weights, exact = weights_of(model, 3), model.exact_nll(IMAGES).double()
    assert torch.allclose(importance_weighted_nll(weights), exact, atol=1e-4)
    assert torch.allclose(-evidence_bounds(weights), exact, atol=1e-4)


def test_with_a_wrong_posterior_more_samples_come_nearer_to_the_likelihood_than_the_elbo() -> None:
    model = LinearModel(widened=3.0)
    exact = model.exact_nll(IMAGES).double().mean()
    few, many = (importance_weighted_nll(weights_of(model, samples)).mean() for samples in (5, 5000))
    elbo = -evidence_bounds(weights_of(model, 5000)).mean()
    assert abs(many - exact) < 0.02
    assert exact - 0.02 < many < few < elbo


def test_the_same_draw_gives_the_same_weights_whatever_they_are_split_into() -> None:
    assert torch.equal(weights_of(LinearModel(2.0), 7), weights_of(LinearModel(2.0), 7))
    assert weights_of(LinearModel(), 5000).shape == (6, 5000)


def test_a_collapsed_variance_is_refused() -> None:
    with pytest.raises(EvaluationError, match="NaN or infinite"):
        weights_of(LinearModel(widened=math.nan), 2)
