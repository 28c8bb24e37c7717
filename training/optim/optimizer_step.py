"""From a loss to an optimizer step: scaling, averaging over processes, clipping, weight decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..recipe import Recipe

__all__ = ["OptimizerStep"]


class OptimizerStep:
    """An optimizer that minimises a loss, the sum of one or more parts.

    Under FP16 autocast the loss is multiplied by a scale so that small gradients do not underflow. An overflow halves
    the scale and skips the step; many steps without one double it (Micikevicius et al. 2018, section 3.2). Every
    optimizer has its own scale.

    Args:
        optimizer: of some of the task's parameters.
        recipe: with clipping, weight decay and precision.
        device: of the parameters.
        average: gradients of this process -> their mean over all processes, in place; None for a single process.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        device: torch.device,
        average: Callable[[list[Tensor]], None] | None = None,
    ) -> None:
        self._optimizer, self._average = optimizer, average
        self._clip_norm, self._weight_decay = recipe.clip_norm, recipe.weight_decay
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._added = False
        self._scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")

    @property
    def scale(self) -> float:
        """Current scale of the loss; 1 except under FP16."""
        return self._scaler.get_scale()

    def add(self, loss: Tensor, weight: float = 1.0) -> None:
        """Add the gradients of a loss to those since the last step.

        Args:
            loss: FP32 scalar, the mean over the images of a part of the batch.
            weight: of the part, such that its share of the batch is the weight over the number of processes.
        """
        if not self._added:
            self._optimizer.zero_grad(set_to_none=True)
        self._added = True
        self._scaler.scale(loss if weight == 1 else loss * weight).backward()

    def step(self, rate_factor: float) -> Tensor | None:
        """Step by the gradients that were added since the last step.

        Args:
            rate_factor: factor of the learning rates, 0 to 1.

        Returns:
            The global gradient norm before clipping, FP32 scalar; None if FP16 overflowed and the step was skipped.
        """
        groups = self._optimizer.param_groups
        for group, rate in zip(groups, self._rates, strict=True):
            group["lr"] = rate * rate_factor
        parameters = [parameter for group in groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        # Averaged before unscaling, so that all processes see an overflow in one.
        if self._average is not None:
            self._average(gradients)
        self._scaler.unscale_(self._optimizer)
        norm = torch.nn.utils.get_total_norm(gradients)
        if hasattr(norm, "full_tensor"):  # of weights that are cut over processes
            norm = norm.full_tensor()  # pyright: ignore[reportAttributeAccessIssue]
        overflowed = self._scaler.is_enabled() and not torch.isfinite(norm)
        if not overflowed:
            if self._clip_norm:
                torch.nn.utils.clip_grads_with_norm_(parameters, self._clip_norm, norm)
            self._decay_weights()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._added = False
        return None if overflowed else norm

    @torch.no_grad()
    def _decay_weights(self) -> None:
        """Decay decoupled from the gradient (Loshchilov and Hutter 2019, algorithm 2), without gains and biases."""
        if not self._weight_decay:
            return
        for group in self._optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.ndim > 1:
                    parameter.mul_(1 - group["lr"] * self._weight_decay)

    def state_dict(self) -> dict[str, Any]:
        """State of the optimizer."""
        return self._optimizer.state_dict()

    def scaler_state_dict(self) -> dict[str, Any]:
        """State of the scale; empty except under FP16."""
        return self._scaler.state_dict()

    def load_state_dict(self, optimizer: dict[str, Any], scaler: dict[str, Any]) -> None:
        """Restore results of `state_dict` and `scaler_state_dict`."""
        self._optimizer.load_state_dict(optimizer)
        if scaler:
            self._scaler.load_state_dict(scaler)
