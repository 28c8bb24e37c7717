"""A server of a bundle with planted faults, which speaks Triton's protocol over real connections."""

from __future__ import annotations

import ctypes
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.grpc.service_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)

from litho.benchmarks.mlperf.answers import Answers
from litho.benchmarks.mlperf.samples import Samples
from litho.bundle import Bundle
from litho.runners import open_runner
from litho.runners.triton import ServedModel

messages: Any = service_pb2


class PlantedServer(GRPCInferenceServiceServicer):
    """Serves a bundle as the model "tiny".

    Attributes:
        url: of the model.
        wrong_every: every so many requests the pictures are wrong; 0 for none.
        fail_every: every so many requests fail; 0 for none.
        fail_after: so many requests are answered, and no more; None for no end.
        caches: whether the configuration says that answers are kept.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.url = ""
        self.wrong_every = self.fail_every = 0
        self.fail_after: int | None = None
        self.caches = False
        self._runner = open_runner(bundle, threads=1)
        self._numbers = itertools.count(1)
        variant = bundle.manifest.variants[0]
        self._served = ServedModel(
            signature=bundle.manifest.signature,
            bundle=bundle.manifest.name,
            variant=variant.name,
            checkpoint_sha256=bundle.manifest.checkpoint_sha256,
            precision=variant.precision,
        )

    def healthy(self) -> PlantedServer:
        """The server without faults, and with its count of requests at the start."""
        self.wrong_every = self.fail_every = 0
        self.fail_after, self.caches = None, False
        self._numbers = itertools.count(1)
        return self

    def ModelConfig(self, request: Any, context: Any) -> Any:
        parameters = {
            name: model_config_pb2.ModelParameter(string_value=text)
            for name, text in self._served.to_parameters().items()
        }
        cache = model_config_pb2.ModelResponseCache(enable=self.caches)
        config = model_config_pb2.ModelConfig(
            name="tiny", max_batch_size=16, parameters=parameters, response_cache=cache
        )
        return messages.ModelConfigResponse(config=config)

    def ModelInfer(self, request: Any, context: Any) -> Any:
        number = next(self._numbers)
        if (self.fail_every and number % self.fail_every == 0) or (
            self.fail_after is not None and number > self.fail_after
        ):
            context.abort(grpc.StatusCode.INTERNAL, "a planted fault")
        dtypes = {field.name: field.numpy_dtype for field in self._runner.signature.inputs}
        inputs = {
            tensor.name: np.frombuffer(content, dtypes[tensor.name])
            for tensor, content in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        images = self._runner.run(inputs)["image"]
        if self.wrong_every and number % self.wrong_every == 0:
            images = 255 - images
        answer = messages.ModelInferResponse(model_name="tiny", raw_output_contents=[images.tobytes()])
        answer.outputs.add(name="image", datatype="UINT8", shape=images.shape)
        return answer


@pytest.fixture(scope="session")
def _planted(bundle: Path) -> Iterator[PlantedServer]:
    planted = PlantedServer(Bundle.load(bundle))
    server = grpc.server(ThreadPoolExecutor(4))
    add_GRPCInferenceServiceServicer_to_server(planted, server)
    planted.url = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}/tiny"
    server.start()
    yield planted
    server.stop(None).wait()


@pytest.fixture
def planted_server(_planted: PlantedServer) -> PlantedServer:
    return _planted.healthy()


@pytest.fixture(scope="session")
def samples(bundle: Path) -> Samples:
    return Samples(Bundle.load(bundle))


class Collected(Answers):
    """Answers that are kept here: LoadGen's functions only work inside a run of it."""

    def __init__(self, samples: Samples) -> None:
        self.given_up: list[str] = []
        super().__init__(samples.shape, self.given_up.append)
        self.taken: dict[int, bytes] = {}
        self._response, self._complete = self._copied, self._taken

    def _copied(self, one: int, address: int, size: int) -> tuple[int, bytes]:
        return one, ctypes.string_at(address, size) if size else b""

    def _taken(self, responses: list[tuple[int, bytes]]) -> None:
        self.taken.update(responses)

    def wait(self, count: int) -> None:
        until = time.monotonic() + 60
        while len(self.taken) < count:
            assert time.monotonic() < until, "answers are missing"
            threading.Event().wait(0.005)


@pytest.fixture
def collected(samples: Samples) -> Callable[[], Collected]:
    return lambda: Collected(samples)
