"""What happens between a loss and an optimizer's step: scaling, averaging over processes, clipping, weight decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..recipe import Recipe

__all__ = ["OptimizerStep"]


class OptimizerStep:
    """An optimizer that takes whole losses.

    Under FP16 autocast gradients are computed from a loss times a factor, so that small ones are not lost; the factor
    is halved when one overflows, that step then being left out, and doubled after many that went well (Micikevicius
    et al. 2018, section 3.2). Every optimizer has a factor of its own.

    Args:
        optimizer: of some of the task's parameters.
        recipe: how its gradients are treated.
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
        self._optimiser, self._average = optimizer, average
        self._clip_norm, self._weight_decay = recipe.clip_norm, recipe.weight_decay
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")

    @property
    def scale(self) -> float:
        """What the loss is multiplied with before its gradient is computed; 1 but under FP16."""
        return self._scaler.get_scale()

    def minimise(self, loss: Tensor, rate_factor: float) -> Tensor | None:
        """Take one step down a loss.

        Args:
            loss: FP32 scalar.
            rate_factor: share of the learning rates to take it with.

        Returns:
            The global norm of the gradients before they were clipped, FP32 scalar; None where FP16 overflowed and
            nothing was changed.
        """
        groups = self._optimiser.param_groups
        for group, rate in zip(groups, self._rates, strict=True):
            group["lr"] = rate * rate_factor
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        parameters = [parameter for group in groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        # Averaged before they are unscaled: an overflow in one process is then seen by all.
        if self._average is not None:
            self._average(gradients)
        self._scaler.unscale_(self._optimiser)
        norm = torch.nn.utils.get_total_norm(gradients)
        overflowed = self._scaler.is_enabled() and not torch.isfinite(norm)
        if not overflowed:
            if self._clip_norm:
                torch.nn.utils.clip_grads_with_norm_(parameters, self._clip_norm, norm)
            self._decay_weights()
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return None if overflowed else norm

    @torch.no_grad()
    def _decay_weights(self) -> None:
        """Decoupled from the gradient (Loshchilov and Hutter 2019, algorithm 2); gains and biases are left alone."""
        if not self._weight_decay:
            return
        for group in self._optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.ndim > 1:
                    parameter.mul_(1 - group["lr"] * self._weight_decay)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state."""
        return self._optimiser.state_dict()

    def scaler_state_dict(self) -> dict[str, Any]:
        """The state of the factor; empty but under FP16."""
        return self._scaler.state_dict()

    def load_state_dict(self, optimizer: dict[str, Any], scaler: dict[str, Any]) -> None:
        """Go on from what `state_dict` and `scaler_state_dict` gave."""
        self._optimiser.load_state_dict(optimizer)
        if scaler:
            self._scaler.load_state_dict(scaler)
