"""Directions of a latent space, from the first layer of a generator: GANSpace and SeFa.

Both need no training and no labels. They take any network whose first layer with weights multiplies the latent by a
matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ....errors import EvaluationError

__all__ = ["Found", "ganspace", "sefa"]

LATENTS = 1_000
_WEIGHTED = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)

Run = Callable[[Tensor], Any]
"""Runs the generator on latents, FP32 of shape (batch, latent_size)."""


@dataclass(frozen=True)
class Found:
    """A direction.

    Args:
        method: that found it.
        vector: FP32 of shape (latent_size,) and length 1; its largest element is positive.
        weight: share of the variance of the activations, or of the sum of all eigenvalues.
    """

    method: Literal["ganspace", "sefa"]
    vector: Tensor
    weight: float


def sefa(network: nn.Module, run: Run, latent_size: int, count: int) -> list[Found]:
    """Eigenvectors of AᵀA with the largest eigenvalues; A is the first layer's matrix (Shen and Zhou 2021, eq. 6).

    Args:
        network: the generator.
        run: runs it, with everything but the latent fixed.
        latent_size: values of a latent.
        count: most directions.

    Raises:
        EvaluationError: the first layer is no linear map of the latent.
    """
    # The answers to the unit vectors, less the one to zero, are the columns of A; so its layout need not be known.
    units = torch.cat((torch.zeros(1, latent_size), torch.eye(latent_size), 2 * torch.eye(latent_size)[:1]))
    answers = _first_layer(network, run, units)
    zero, columns, twice = answers[0], answers[1:-1], answers[-1]
    if not torch.allclose(twice - zero, 2 * (columns[0] - zero), rtol=1e-3, atol=1e-5):
        raise EvaluationError("the first layer of the generator is no linear map of the latent")
    matrix = (columns - zero).double()
    if not float(matrix.abs().max()) > 0:
        raise EvaluationError("the first layer of the generator does not take the latent")
    values, vectors = torch.linalg.eigh(matrix @ matrix.T)
    order = values.argsort(descending=True)[:count]
    total = float(values.clamp(min=0).sum())
    return [
        Found("sefa", _oriented(vectors[:, index]), min(1.0, max(0.0, float(values[index]) / total)))
        for index in order
    ]


def ganspace(network: nn.Module, run: Run, latents: Tensor, groups: Tensor | None, count: int) -> list[Found]:
    """Principal components of the activations behind the first layer, as latent directions (Härkönen et al. 2020).

    The activations are what the second layer with weights takes: the first layer's answer after normalisation and
    non-linearity. The direction of a component is the regression of the latents on its coordinates (their eq. 3).

    Args:
        network: the generator.
        run: runs it on all `latents` at once, or in parts.
        latents: FP32 of shape (count, latent_size), standard normal.
        groups: class of each latent, INT64 of shape (count,), whose mean activation is removed; None without classes.
        count: most directions.

    Raises:
        EvaluationError: the generator has only one layer with weights, or its activations do not vary.
    """
    activations = _second_input(network, run, latents).double()
    activations = activations - activations.mean(0)
    if groups is not None:
        for group in groups.unique():
            activations[groups == group] -= activations[groups == group].mean(0)
    # The eigenvectors of the Gram matrix are the coordinates of the components, whatever the number of activations.
    values, coordinates = torch.linalg.eigh(activations @ activations.T)
    order = values.argsort(descending=True)[: min(count, latents.shape[1])]
    total = float(values.clamp(min=0).sum())
    if not total > 0:
        raise EvaluationError("the activations behind the first layer do not vary")
    found = []
    for index in order:
        vector = latents.double().T @ coordinates[:, index]
        if float(values[index]) > 1e-9 * total and float(vector.norm()) > 0:
            found.append(Found("ganspace", _oriented(vector), min(1.0, float(values[index]) / total)))
    return found


def _first_layer(network: nn.Module, run: Run, latents: Tensor) -> Tensor:
    """What the first layer with weights gives, FP32 of shape (batch, values)."""
    with _recorded(network) as calls:
        run(latents)
    if not calls:
        raise EvaluationError("the generator has no layer with weights")
    return calls[0][1].flatten(1)


def _second_input(network: nn.Module, run: Run, latents: Tensor) -> Tensor:
    """What the second layer with weights takes, FP32 of shape (batch, values)."""
    with _recorded(network) as calls:
        run(latents)
    if len(calls) < 2:
        raise EvaluationError("the generator has only one layer with weights")
    return calls[1][0].flatten(1)


class _Enough(Exception):
    """Ends a run whose first layers have been recorded."""


@contextmanager
def _recorded(network: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Inputs and outputs of the first two layers with weights that the block calls; the rest is not run."""
    calls: list[tuple[Tensor, Tensor]] = []

    def record(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append((inputs[0].detach().cpu(), output.detach().cpu()))
        if len(calls) == 2:
            raise _Enough

    hooks = [
        module.register_forward_hook(record) for module in network.modules() if isinstance(module, _WEIGHTED)
    ]
    try:
        with torch.no_grad():
            yield calls
    except _Enough:
        pass
    finally:
        for hook in hooks:
            hook.remove()


def _oriented(vector: Tensor) -> Tensor:
    """The vector with length 1, its largest element positive, so that the same weights give the same direction."""
    unit = vector / vector.norm()
    return (unit * torch.sign(unit[unit.abs().argmax()])).float()
