"""A real gRPC server of Triton's protocol with planted faults: it stalls, errors, or answers other pictures."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc

from litho.runners.triton import ServedModel
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field

messages: Any = service_pb2
SIGNATURE = Signature(inputs=(seed_field(), label_field(("a", "b"))), output=image_output(8, 8, 1))


def pictures(seeds: NDArray[np.int64], signature: Signature = SIGNATURE) -> NDArray[np.uint8]:
    """The right pictures: noise of each seed."""
    shape = signature.output.shape
    rows = [np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8) for seed in seeds.tolist()]
    return np.stack(rows)


class BadServer(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves the model "bad" until the end of the `with` block.

    Args:
        fail_every: every so many requests fail; 0 for none.
        wrong_every: every so many requests get another seed's pictures; 0 for none.
        stalls_after: number of requests after which none is answered; None for never.
        seconds: that a request takes.
        signature: of the model.
        served: more facts of the model.

    Attributes:
        asked: number of requests.
        wrong_from: number of the request from which on `wrong_every` counts.
        url: of the model.
    """

    def __init__(
        self,
        *,
        fail_every: int = 0,
        wrong_every: int = 0,
        stalls_after: int | None = None,
        seconds: float = 0.0,
        signature: Signature = SIGNATURE,
        **served: Any,
    ) -> None:
        self.fail_every, self.wrong_every, self.stalls_after = fail_every, wrong_every, stalls_after
        self.seconds, self.signature, self.served = seconds, signature, served
        self.asked, self.wrong_from = 0, 0
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(48))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.url = f"grpc://127.0.0.1:{self.port}/bad"

    def __enter__(self) -> BadServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.stop(0).wait()

    def ModelConfig(self, request: Any, context: Any) -> Any:
        """The configuration, as `litho deploy` would have written it."""
        facts = {"bundle": "bad", "variant": "generator.fp32.onnx", "checkpoint_sha256": "0" * 64}
        served = ServedModel(signature=self.signature, precision="fp32", **{**facts, **self.served})
        answer = messages.ModelConfigResponse()
        answer.config.name, answer.config.max_batch_size = "bad", 64
        for name, text in served.to_parameters().items():
            answer.config.parameters[name].string_value = text
        return answer

    def ServerMetadata(self, request: Any, context: Any) -> Any:
        """Name and version."""
        return messages.ServerMetadataResponse(name="triton", version="0.0")

    def ModelStatistics(self, request: Any, context: Any) -> Any:
        """Counters, which know nothing of the faults."""
        counted = messages.ModelStatistics(name="bad", version="1", inference_count=self.asked)
        counted.execution_count = counted.inference_stats.success.count = self.asked
        return messages.ModelStatisticsResponse(model_stats=[counted])

    def ModelInfer(self, request: Any, context: Any) -> Any:
        """Pictures, or what the faults say."""
        with self._lock:
            self.asked += 1
            number = self.asked
        if self.stalls_after is not None and number > self.stalls_after:
            self._ended.wait()
        if self.seconds:
            time.sleep(self.seconds)
        if self.fail_every and number % self.fail_every == 0:
            context.abort(grpc.StatusCode.INTERNAL, "a planted failure")
        names = [tensor.name for tensor in request.inputs]
        seeds = np.frombuffer(request.raw_input_contents[names.index("seed")], np.int64)
        if self.wrong_every and number >= self.wrong_from and number % self.wrong_every == 0:
            seeds = seeds ^ 1
        made = pictures(seeds, self.signature)
        answer = messages.ModelInferResponse(model_name="bad", model_version="1", id=request.id)
        answer.outputs.add(name="image", datatype="UINT8", shape=made.shape)
        answer.raw_output_contents.append(made.tobytes())
        return answer
