"""Muon for weights that may be cut over processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim._muon import _adjust_lr, _zeropower_via_newtonschulz

__all__ = ["Muon"]


class Muon(torch.optim.Muon):
    """torch's Muon (Jordan et al. 2024); a cut matrix is collected for its orthogonalisation.

    The iteration runs on the whole matrix in every process, as it does without shards: on cut matrices it would add
    BF16 products in another order, and all later steps would differ. The momentum stays cut (Liu et al. 2025, "Muon is
    scalable for LLM training", section 2.3, does the same).
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Step by the current gradients; a closure is ignored."""
        cut = [group for group in self.param_groups if any(_is_cut(weights) for weights in group["params"])]
        if not cut:
            super().step()
        for group in cut:
            for weights in group["params"]:
                if weights.grad is not None:
                    self._step_cut(weights, group)

    def _step_cut(self, weights: Any, group: dict[str, Any]) -> None:
        from torch.distributed.tensor import distribute_tensor

        state, gradient, momentum = self.state[weights], weights.grad, group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        average = state["momentum_buffer"]
        average.lerp_(gradient, 1 - momentum)
        update = gradient.lerp(average, momentum) if group["nesterov"] else average
        update = _zeropower_via_newtonschulz(
            update.full_tensor(), group["ns_coefficients"], group["ns_steps"], group["eps"]
        )
        rate = _adjust_lr(group["lr"], group["adjust_lr_fn"], weights.shape)
        weights.mul_(1 - group["lr"] * group["weight_decay"])
        own = distribute_tensor(
            update.contiguous(), weights.device_mesh, weights.placements, src_data_rank=None
        )
        weights.to_local().add_(own.to_local(), alpha=-rate)


def _is_cut(weights: object) -> bool:
    return hasattr(weights, "full_tensor")
