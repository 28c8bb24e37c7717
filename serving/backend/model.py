"""Entry of the Triton backend `litho`: chooses how a deployment is batched, and hands everything over.

`litho server install` copies this file to `backends/litho/`. Triton loads it by its path for each instance of each
model with `backend: "litho"`, so it imports litho by name. It holds no more than Triton needs: what it imports is the
installed litho, which may be newer.
"""

# pyright: reportMissingImports=false
# Triton provides `triton_python_backend_utils`; the server's environment has litho.

from importlib import import_module
from typing import Any

import triton_python_backend_utils as pb_utils

from litho.errors import LithoError, UnknownName
from litho.serving.backend.instance import Instance

MODULES = {"whole": "whole_requests", "in-flight": "in_flight"}
"""Value of `litho_batching` in the configuration -> module of this folder with a class `Model`.

`Model()` has `initialize(instance)`, which may raise LithoError, `execute(requests)` and `finalize()`, as Triton calls
them.
"""


class TritonPythonModel:
    """What Triton's Python backend looks for: one instance of a model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the deployment of this instance, or say in one line why it cannot be served."""
        try:
            instance = Instance.from_arguments(args)
            batching = instance.parameter("batching") or "whole"
            if batching not in MODULES:
                raise UnknownName("batching", batching, MODULES)
            # Only the one that is needed: each import delays the first picture.
            self._model = import_module(f"litho.serving.backend.{MODULES[batching]}").Model()
            self._model.initialize(instance)
        except LithoError as error:
            raise pb_utils.TritonModelException(str(error)) from error

    def execute(self, requests: list[Any]) -> list[Any] | None:
        """Answer the requests, or take them over (None) and answer through their response senders."""
        return self._model.execute(requests)

    def finalize(self) -> None:
        """Release everything."""
        self._model.finalize()
