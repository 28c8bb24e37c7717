"""Losses as pure functions that name their equations.

`real` and `fake` are logits of a discriminator, FP32 of shape (batch,); losses are FP32 scalars.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

__all__ = [
    "gaussian_divergence",
    "gaussian_log_likelihood",
    "hinge_discriminator",
    "hinge_generator",
    "least_squares_discriminator",
    "least_squares_generator",
    "non_saturating_discriminator",
    "non_saturating_generator",
    "relativistic_discriminator",
    "relativistic_generator",
    "squared_gradient",
]


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))] (Miyato et al. 2018, eq. 16)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_generator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[D(G(z))] (Miyato et al. 2018, eq. 17); `real` is ignored."""
    return -fake.mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """(E[(D(x) - 1)^2] + E[D(G(z))^2]) / 2 (Mao et al. 2017, eq. 9), over logits of any shape."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_generator(real: Tensor, fake: Tensor) -> Tensor:
    """E[(D(G(z)) - 1)^2] / 2 (Mao et al. 2017, eq. 9), over logits of any shape; `real` is ignored."""
    return (fake - 1).square().mean() / 2


def non_saturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log s(D(x))] - E[log(1 - s(D(G(z))))] with the logistic function s (Goodfellow et al. 2014, eq. 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def non_saturating_generator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log s(D(G(z)))] with the logistic function s (Goodfellow et al. 2014, section 3); `real` is ignored."""
    return softplus(-fake).mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log s(D(x) - D(G(z)))] over pairs, with the logistic function s (Huang et al. 2024, eq. 2).

    Every generated image is compared with a real one (Jolicoeur-Martineau 2019).
    """
    return softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log s(D(G(z)) - D(x))] over pairs: the discriminator's loss with real and fake exchanged."""
    return softplus(real - fake).mean()


def squared_gradient(images: Tensor, logits: Tensor) -> Tensor:
    """|dD(x)/dx|^2 of each image, differentiable.

    The mean over real images is the penalty R1, over generated images R2; the weight in the loss is gamma / 2
    (Mescheder et al. 2018, eq. 9).

    Args:
        images: inputs of `logits` with `requires_grad`, FP32 of shape (batch, ...).
        logits: FP32 of shape (batch,).

    Returns:
        FP32 of shape (batch,).
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().flatten(1).sum(1)


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats (Kingma and Welling 2014, appendix B).

    Args:
        mean, log_variance: FP32 of shape (batch, size).

    Returns:
        FP32 of shape (batch,), not negative up to rounding.
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def gaussian_log_likelihood(values: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """log N(values; mean, exp(log_scale)^2) of each value, in nats.

    Args:
        values, mean: FP32 of any one shape.
        log_scale: logarithm of the standard deviation, FP32 of a shape that broadcasts to it.
    """
    deviations = (values - mean) * (-log_scale).exp()
    return -deviations.square() / 2 - log_scale - math.log(2 * math.pi) / 2
