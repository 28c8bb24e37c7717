"""Whole requests: one call of `execute` is one batch and one run, and every request is answered when it ends."""

# pyright: reportMissingImports=false
# Triton provides `triton_python_backend_utils`.

from __future__ import annotations

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from ...errors import EndpointUnavailable, LithoError
from .answers import refusal
from .in_hand import DRAINING, InHand
from .instance import Instance
from .stalls import StallGuard

__all__ = ["Model"]

Inputs = dict[str, Any]


class Model:
    """Answers inference requests with the runner of a bundle."""

    def initialize(self, instance: Instance) -> None:
        """Open the bundle of this version.

        Raises:
            LithoError: it cannot be served; the message says why.
        """
        self._in_hand = InHand.of_environment()
        self._runner = instance.open()
        self._input_names = [field.name for field in self._runner.signature.inputs]
        self._output_name = self._runner.signature.output.name
        self._guard = StallGuard()

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response per request, in order; a bad request gets its own error and does not affect the others."""
        with self._guard:
            return self._execute(requests)

    def _execute(self, requests: list[Any]) -> list[Any]:
        if not self._in_hand.accept(len(requests)):
            return [refusal(EndpointUnavailable(DRAINING)) for _ in requests]
        try:
            given = [self._inputs(request) for request in requests]
            try:
                return self._answer(given)
            except LithoError:
                # Checking all requests as one batch is cheap; after an error check each one.
                return self._answer_valid(given)
        finally:
            self._in_hand.answered(len(requests))

    def finalize(self) -> None:
        """Release the runner."""
        self._guard.close()
        self._in_hand.close()
        self._runner.close()

    def _inputs(self, request: Any) -> Inputs:
        tensors = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._input_names}
        given = {name: tensor.as_numpy() for name, tensor in tensors.items() if tensor is not None}
        # Requests of one batch may leave out different fields.
        return self._runner.signature.with_defaults(given)

    def _answer(self, given: list[Inputs]) -> list[Any]:
        images = self._runner.run(_combined(given))[self._output_name]
        ends = np.cumsum([_batch(inputs) for inputs in given])
        # Copies: the backend takes over the memory of a tensor, which must be contiguous and its own.
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor(self._output_name, images[end - _batch(inputs) : end].copy())]
            )
            for inputs, end in zip(given, ends, strict=True)
        ]

    def _answer_valid(self, given: list[Inputs]) -> list[Any]:
        errors = [self._input_error(inputs) for inputs in given]
        valid = [inputs for inputs, error in zip(given, errors, strict=True) if error is None]
        try:
            answers = iter(self._answer(valid) if valid else [])
        except LithoError as error:  # the runtime failed, not the requests
            return [refusal(first or error) for first in errors]
        return [next(answers) if error is None else refusal(error) for error in errors]

    def _input_error(self, inputs: Inputs) -> LithoError | None:
        try:
            self._runner.signature.check(inputs)
        except LithoError as error:
            return error
        return None


def _batch(inputs: Inputs) -> int:
    return len(next(iter(inputs.values())))


def _combined(given: list[Inputs]) -> Inputs:
    if len(given) == 1:
        return given[0]
    return {name: np.concatenate([inputs[name] for inputs in given]) for name in given[0]}
