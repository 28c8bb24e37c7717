"""A flow served in flight by a real Triton, asked over a gRPC stream by a client that litho did not write."""

from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

from litho.runners import open_runner
from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install

from ..conftest import assert_same_pictures

SECONDS = 60
LIVE_ROWS = 6


@pytest.fixture(scope="module")
def running(flow_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    root = tmp_path_factory.mktemp("repository")
    deploy(flow_bundle, to=root, name="flow", settings={"batching": "in-flight", "live_rows": LIVE_ROWS})
    install()
    with EmbeddedServer(root, log=root.with_suffix(".log")) as server:
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


def test_pictures_in_flight_are_those_of_whole_requests(running: EmbeddedServer, flow_bundle: Path) -> None:
    count = 40
    asked = {str(number): inputs(1 + number % 3, 10 * number) for number in range(count)}
    with Stream(running) as stream:
        for name, fields in asked.items():
            stream.ask(fields, name)
        found: dict[str, dict[int, np.ndarray]] = {name: {} for name in asked}
        for _ in range(sum(len(fields["seed"]) for fields in asked.values())):
            name, image, row, step, last = stream.take()
            assert row not in found[name]
            assert step == asked[name]["steps"][row]
            found[name][row] = image
            assert last == (len(found[name]) == len(asked[name]["seed"]))
    with open_runner(flow_bundle) as local:
        for name, fields in asked.items():
            pictures = np.concatenate([found[name][row] for row in sorted(found[name])])
            assert_same_pictures(pictures, local.run(fields)["image"])


def test_previews_come_before_the_picture(running: EmbeddedServer) -> None:
    with Stream(running) as stream:
        stream.ask({**inputs(1), "steps": np.array([8])}, parameters={"preview_every": 3})
        answers = [stream.take() for _ in range(3)]
    assert [step for _, _, _, step, _ in answers] == [3, 6, 8]
    assert [last for *_, last in answers] == [False, False, True]
    assert (answers[0][1] != answers[2][1]).any()


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"steps": np.array([0])}, {}, "field 'steps' was given value 0"),
        ({}, {"parameters": {"preview_every": "two"}}, "parameter 'preview_every' was given 'two'"),
        (
            {"seed": np.arange(60), "prompt": np.full(60, b"a", object), "steps": np.full(60, 64)}
            | {"guidance": np.ones(60, np.float32)},
            {"parameters": {"deadline_ms": 1}},
            "deadline exceeded: not all pictures were made",
        ),
        ({"steps": np.array([64])}, {"parameters": {"preview_every": -1}}, "preview_every was given -1"),
    ],
)
def test_a_bad_request_gets_its_own_error_among_good_ones(
    changes: dict[str, Any], options: dict[str, Any], words: str, running: EmbeddedServer
) -> None:
    with Stream(running) as stream:
        stream.ask({**inputs(1), **changes}, "bad", **options)
        assert words in stream.refusal()
        stream.ask(inputs(1), "good")
        assert stream.take()[0] == "good"


def test_rows_of_a_client_that_is_gone_make_room(running: EmbeddedServer) -> None:
    with Stream(running) as stream:
        for number in range(8):
            stream.ask({**inputs(8), "steps": np.full(8, 64)}, str(number))
        stream.take()
    with Stream(running) as stream:
        stream.ask(inputs(1))
        stream.take()
