"""The one model of Triton's Python backend that serves every bundle: one call, one batch, one run.

`litho deploy` copies this file as it is into a version directory, beside the bundle that it serves. Triton loads
it there by its path, so that it imports litho by name; it knows nothing of any family of generators.
"""

# pyright: reportMissingImports=false
# Triton brings `triton_python_backend_utils`, and litho is a package of the server's environment.

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from litho.bundle import Bundle
from litho.errors import LithoError
from litho.runners import open_runner

Inputs = dict[str, Any]


class TritonPythonModel:
    """Answers inference requests by running a bundle's variants, one of each stage, through its runner."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the bundle of this version; a bundle that was tampered with is refused here."""
        directory = Path(args["model_repository"]) / args["model_version"]
        gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if gpu else "cpu"
        try:
            bundle = Bundle.load(directory / "bundle")
            names = ",".join(variant.name for variant in bundle.manifest.variants)
            self._runner = open_runner(bundle, names, device=device)
        except LithoError as error:
            raise pb_utils.TritonModelException(str(error)) from error
        self._input_names = [field.name for field in self._runner.signature.inputs]
        self._output_name = self._runner.signature.output.name

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response per request, in order; a bad request gets an error of its own and hurts no other."""
        given = [self._inputs(request) for request in requests]
        try:
            return self._answer(given)
        except LithoError:
            # Checking all requests as one batch is cheap and nearly always enough; only now look at each alone.
            return self._answer_the_good(given)

    def finalize(self) -> None:
        """Release the runner."""
        self._runner.close()

    def _inputs(self, request: Any) -> Inputs:
        tensors = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._input_names}
        given = {name: tensor.as_numpy() for name, tensor in tensors.items() if tensor is not None}
        # Requests that are joined need not leave out the same ones.
        return self._runner.signature.with_defaults(given)

    def _answer(self, given: list[Inputs]) -> list[Any]:
        images = self._runner.run(_joined(given))[self._output_name]
        ends = np.cumsum([_batch(inputs) for inputs in given])
        # A copy each: the backend takes the memory of what it is handed, and must find it whole and contiguous.
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor(self._output_name, images[end - _batch(inputs) : end].copy())]
            )
            for inputs, end in zip(given, ends, strict=True)
        ]

    def _answer_the_good(self, given: list[Inputs]) -> list[Any]:
        errors = [self._complaint(inputs) for inputs in given]
        good = [inputs for inputs, error in zip(given, errors, strict=True) if error is None]
        try:
            answers = iter(self._answer(good) if good else [])
        except LithoError as error:  # not the requests' fault: the runtime failed
            return [_refusal(first or error) for first in errors]
        return [next(answers) if error is None else _refusal(error) for error in errors]

    def _complaint(self, inputs: Inputs) -> LithoError | None:
        try:
            self._runner.signature.check(inputs)
        except LithoError as error:
            return error
        return None


def _batch(inputs: Inputs) -> int:
    return len(next(iter(inputs.values())))


def _joined(given: list[Inputs]) -> Inputs:
    if len(given) == 1:
        return given[0]
    return {name: np.concatenate([inputs[name] for inputs in given]) for name in given[0]}


def _refusal(error: LithoError) -> Any:
    invalid = isinstance(error, ValueError)
    code = pb_utils.TritonError.INVALID_ARG if invalid else pb_utils.TritonError.INTERNAL
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
