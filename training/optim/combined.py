"""Several of torch's optimizers as one: where one loss is minimised by a different rule for different parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer

__all__ = ["CombinedOptimizer"]


class CombinedOptimizer(Optimizer):
    """Takes the steps of its parts, whose groups of parameters are its own.

    Args:
        parts: of disjoint parameters.
    """

    def __init__(self, *parts: Optimizer) -> None:
        self._parts = parts
        super().__init__(self._groups(), {})

    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Let every part take a step by the gradients that are there; a closure is not looked at."""
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of the parts, in order."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        # A part that loads its state has new groups: a learning rate set in the old ones would reach nobody.
        self.param_groups = self._groups()

    def _groups(self) -> list[dict[str, Any]]:
        return [group for part in self._parts for group in part.param_groups]
