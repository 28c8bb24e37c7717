"""The model of Triton's Python backend that serves every bundle: one call is one batch and one run.

`litho deploy` copies this file into a version directory, beside the served bundle. Triton loads it by its path, so it
imports litho by name. It has no code for single families of generators.
"""

# pyright: reportMissingImports=false
# Triton provides `triton_python_backend_utils`; the server's environment has litho.

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from litho.bundle import Bundle
from litho.bundle.keys import PublicKey
from litho.errors import LithoError
from litho.runners import open_runner

Inputs = dict[str, Any]

_KEY_VARIABLE = "LITHO_REQUIRE_SIGNATURE"


class TritonPythonModel:
    """Answers inference requests with the runner of a bundle, which has one variant of each stage."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the bundle of this version; changed files and a missing digital signature are refused."""
        directory = Path(args["model_repository"]) / args["model_version"]
        gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if gpu else "cpu"
        try:
            bundle = _load(directory / "bundle", json.loads(args["model_config"]))
            names = ",".join(variant.name for variant in bundle.manifest.variants)
            self._runner = open_runner(bundle, names, device=device)
        except LithoError as error:
            raise pb_utils.TritonModelException(str(error)) from error
        self._input_names = [field.name for field in self._runner.signature.inputs]
        self._output_name = self._runner.signature.output.name

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response per request, in order; a bad request gets its own error and does not affect the others."""
        given = [self._inputs(request) for request in requests]
        try:
            return self._answer(given)
        except LithoError:
            # Checking all requests as one batch is cheap; after an error check each one.
            return self._answer_valid(given)

    def finalize(self) -> None:
        """Release the runner."""
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
            return [_error_response(first or error) for first in errors]
        return [next(answers) if error is None else _error_response(error) for error in errors]

    def _input_error(self, inputs: Inputs) -> LithoError | None:
        try:
            self._runner.signature.check(inputs)
        except LithoError as error:
            return error
        return None


def _load(path: Path, config: Any) -> Bundle:
    parameter = config["parameters"].get("litho_public_key", {}).get("string_value")
    # Whoever deployed the model may require a signature, and so may whoever started the server.
    required = {"litho_public_key": parameter, _KEY_VARIABLE: os.environ.get(_KEY_VARIABLE)}
    keys = [PublicKey.from_text(text, source) for source, text in required.items() if text]
    loaded = [Bundle.load(path, key=key) for key in dict.fromkeys(keys)]
    return loaded[0] if loaded else Bundle.load(path)


def _batch(inputs: Inputs) -> int:
    return len(next(iter(inputs.values())))


def _combined(given: list[Inputs]) -> Inputs:
    if len(given) == 1:
        return given[0]
    return {name: np.concatenate([inputs[name] for inputs in given]) for name in given[0]}


def _error_response(error: LithoError) -> Any:
    invalid = isinstance(error, ValueError)
    code = pb_utils.TritonError.INVALID_ARG if invalid else pb_utils.TritonError.INTERNAL
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
