"""Both load generators against a model that does nothing: `python -m litho.benchmarks.null_model`.

The model of the embedded server only hands out ready pictures, so that what a client costs on the cores that it shares
with the server decides the rate. 64 clients, litho and NVIDIA's perf_analyzer in turns, over gRPC. Over HTTP
perf_analyzer 2.49 does not end here: its threads leave it no processor time to stop them. Written to
`results/null-model.json`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from ...runners.triton import ServedModel
from ...signature import Signature
from ...signature.fields import image_output, seed_field
from ..perf_analyzer.program import find_perf_analyzer
from ..perf_analyzer.run import measure_model
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.machine import describe_machine
from .documents import NullModel, NullModelResult, lines

__all__ = ["main", "measure", "write_null_model"]

RESULT = RESULTS / "null-model.json"
configurations: Any = model_config_pb2  # protobuf creates its classes at import time

MODEL = "null"
SIGNATURE = Signature(inputs=(seed_field(),), output=image_output(8, 8, 1))
MOST_ROWS = 64

_CODE = f"""
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.ready = [np.zeros((rows, 8, 8, 1), np.uint8) for rows in range({MOST_ROWS + 1})]

    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "seed")) for request in requests]

    def answer(self, seeds):
        pictures = self.ready[seeds.shape()[0]]
        return pb_utils.InferenceResponse([pb_utils.Tensor("image", pictures)])
"""


def write_null_model(repository: Path) -> Path:
    """Write the model into a repository; returns its folder."""
    config = configurations.ModelConfig(name=MODEL, backend="python", max_batch_size=MOST_ROWS)
    (entry,) = SIGNATURE.inputs
    config.input.add(name=entry.name, data_type=configurations.TYPE_INT64, dims=[1])
    output = SIGNATURE.output
    config.output.add(name=output.name, data_type=configurations.TYPE_UINT8, dims=output.shape)
    config.dynamic_batching.SetInParent()
    served = ServedModel(
        signature=SIGNATURE, bundle=MODEL, variant="nothing.fp32", checkpoint_sha256="0" * 64
    )
    for key, text in served.to_parameters().items():
        config.parameters[key].string_value = text
    folder = repository / MODEL
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(_CODE)
    (folder / "config.pbtxt").write_text(text_format.MessageToString(config))
    return folder


def measure(program: str, *, rounds: int = 5, seconds: float = 5.0, clients: int = 64) -> NullModelResult:
    """Measure both tools in turns.

    Args:
        program: perf_analyzer.
        rounds: measurements of each tool.
        seconds: length of one.
        clients: requests kept in flight.

    Raises:
        LithoError: the server does not start, or a tool failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "models"
        write_null_model(repository)
        found = measure_model(
            repository,
            MODEL,
            program,
            rounds=rounds,
            seconds=seconds,
            clients=(clients,),
            protocols=("grpc",),
        )
    return NullModelResult(
        command=f"python -m litho.benchmarks.null_model --rounds {rounds} --seconds {seconds:g} --clients {clients}",
        clients=clients,
        seconds=seconds,
        protocols=tuple(
            NullModel(protocol=protocol, rounds=tuple(taken)) for (protocol, _), taken in found.items()
        ),
        machine=describe_machine(),
    )


def main(
    rounds: Annotated[int, typer.Option(help="Measurements of each tool.", min=1)] = 5,
    seconds: Annotated[float, typer.Option(help="Length of one measurement.", min=0.3)] = 5.0,
    clients: Annotated[int, typer.Option(help="Requests in flight.", min=1)] = 64,
    program: Annotated[str | None, typer.Option("--perf-analyzer", help="The program.")] = None,
    output: Output = RESULT,
) -> None:
    """Compare what both clients cost; exit code 1 if litho's rate is too low."""
    with errors_of("null_model", output):
        result = measure(find_perf_analyzer(program), rounds=rounds, seconds=seconds, clients=clients)
    finish(output, result, lines(result), failed=not result.passed)
