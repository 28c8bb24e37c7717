"""The share of requests that a client sends to a candidate version, the model NAME-canary beside NAME."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from numpy.typing import NDArray

from ...runners.triton import Runner

__all__ = ["CANARY_SUFFIX", "REFRESH_SECONDS", "SHARE_PARAMETER", "Canary", "position_of"]

CANARY_SUFFIX = "-canary"
SHARE_PARAMETER = "litho_canary_share"
"""Parameter of a candidate's configuration: the share of requests that it is to answer, 0 to 1."""

REFRESH_SECONDS = 5.0
"""How often a client that sends requests looks for a candidate."""


def position_of(inputs: Mapping[str, NDArray[Any]]) -> float:
    """Where a request lies between 0 and 1: the same request always at the same place, requests evenly."""
    digest = hashlib.sha256()
    for name, array in sorted(inputs.items()):
        # Texts are kept as objects, whose bytes are addresses.
        content = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
        digest.update(f"{name}:{array.dtype.str}:{array.shape}:".encode())
        digest.update(content)
    return int.from_bytes(digest.digest()[:8]) / 2**64


class Canary:
    """The candidate beside a live model.

    It is looked for at most every `REFRESH_SECONDS`, and no request waits for that.
    A request goes to the candidate if its place lies below the candidate's share. A candidate that takes other inputs
    than the live model gets none.

    Args:
        live: runner of the live model.
        model: its name.
        clock: gives seconds, like `time.monotonic`.
    """

    def __init__(self, live: Runner, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._live, self._name, self._clock = live, f"{model}{CANARY_SUFFIX}", clock
        self._next = self._clock()
        self._runner: Runner | None = None
        self._share = 0.0

    def runner_for(self, inputs: Mapping[str, NDArray[Any]]) -> Runner:
        """The runner of the candidate or of the live model, whichever is to answer a request."""
        if self._clock() >= self._next:
            self._next = self._clock() + REFRESH_SECONDS
            self._live.look_for(self._name, self.found)
        runner = self._runner
        return runner if runner is not None and position_of(inputs) < self._share else self._live

    @property
    def active(self) -> bool:
        """Whether the candidate gets requests now."""
        return self._runner is not None

    def drop(self, runner: Runner) -> bool:
        """Forget the candidate after a failure until the next look; whether `runner` was the candidate's."""
        if runner is self._live:
            return False
        self._runner = None
        return True

    def found(self, runner: Runner | None) -> None:
        """Take note of the candidate that the server has now."""
        share = 0.0
        if runner is not None and runner.signature == self._live.signature:
            with suppress(ValueError):
                share = float(runner.parameters.get(SHARE_PARAMETER, "0"))
        self._share = share
        self._runner = runner if share > 0 else None
