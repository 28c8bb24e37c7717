"""The losses of adversaries, as pure functions that name their equations.

`real` and `fake` are the discriminator's logits, FP32 of shape (batch,); the answers are FP32 scalars.
"""

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

__all__ = [
    "hinge_discriminator",
    "hinge_generator",
    "non_saturating_discriminator",
    "non_saturating_generator",
    "r1_penalty",
]


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))] (Miyato et al. 2018, eq. 16)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """-E[D(G(z))] (Miyato et al. 2018, eq. 17)."""
    return -fake.mean()


def non_saturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log s(D(x))] - E[log(1 - s(D(G(z))))] with the logistic function s (Goodfellow et al. 2014, eq. 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-E[log s(D(G(z)))] with the logistic function s (Goodfellow et al. 2014, section 3)."""
    return softplus(-fake).mean()


def r1_penalty(images: Tensor, real: Tensor) -> Tensor:
    """E[|dD(x)/dx|^2]; its weight in the loss is gamma / 2 (Mescheder et al. 2018, eq. 9).

    Args:
        images: the real images that gave `real`, with `requires_grad`; FP32 of shape (batch, ...).
        real: logits, FP32 of shape (batch,).
    """
    (gradient,) = torch.autograd.grad(real.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()
