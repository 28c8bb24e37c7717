"""A flow that is served in flight, and a client of it that litho did not write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install

SECONDS = 60
LIVE_ROWS = 6


@contextmanager
def served_in_flight(bundle: Path, root: Path) -> Iterator[EmbeddedServer]:
    """A running server of the tiny flow in flight, as the model "flow", from a repository in `root`."""
    deploy(bundle, to=root, name="flow", settings={"batching": "in-flight", "live_rows": LIVE_ROWS})
    install()
    with EmbeddedServer(root, log=root.with_suffix(".log")) as server:
        yield server


@pytest.fixture(scope="package")
def in_flight_server(flow_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One for all tests that do not count."""
    with served_in_flight(flow_bundle, tmp_path_factory.mktemp("repository")) as server:
        yield server


class Stream:
    """One stream of a client; the answers by request."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.client = InferenceServerClient(server.grpc_url.removeprefix("grpc://"))
        self.answers: SimpleQueue[tuple[Any, Any]] = SimpleQueue()

    def __enter__(self) -> "Stream":
        self.client.start_stream(lambda result, error: self.answers.put((result, error)))
        return self

    def __exit__(self, *error: object) -> None:
        self.client.stop_stream(cancel_requests=True)
        self.client.close()

    def ask(self, inputs: dict[str, np.ndarray], name: str = "", **options: Any) -> None:
        tensors = []
        for field, values in inputs.items():
            column = values.reshape(-1, 1)
            dtype = {"i": "INT64", "f": "FP32", "O": "BYTES"}[column.dtype.kind]
            tensors.append(InferInput(field, column.shape, dtype))
            tensors[-1].set_data_from_numpy(column)
        self.client.async_stream_infer("flow", tensors, request_id=name, **options)

    def take(self) -> tuple[str, np.ndarray, int, int, bool]:
        """Request, picture, row, step, and whether it is the last answer."""
        result, error = self.answers.get(timeout=SECONDS)
        assert error is None, error
        response = result.get_response()
        return (
            response.id,
            result.as_numpy("image"),
            result.as_numpy("row").item(),
            result.as_numpy("step").item(),
            response.parameters["triton_final_response"].bool_param,
        )

    def refusal(self) -> str:
        result, error = self.answers.get(timeout=SECONDS)
        assert result is None
        return str(error)


def inputs(count: int, first: int = 0) -> dict[str, np.ndarray]:
    numbers = np.arange(first, first + count)
    return {
        "seed": numbers,
        "prompt": np.array([f"circle {number % 5} круг".encode() for number in numbers], object),
        "steps": numbers * 7 % 12 + 1,
        "guidance": (numbers % 4).astype(np.float32),
    }
