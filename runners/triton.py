"""Models of a Triton Inference Server, over gRPC.

A model that litho deployed has its signature in the parameters of its configuration, so that a client needs only the
address. This module implements Triton's protocol; `serving` starts servers and deploys models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from tritonclient.grpc import service_pb2
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import serialize_byte_tensor

from ..bundle.manifest import Grade
from ..errors import EndpointError
from ..signature import GeneratorSignature, Signature
from . import base
from ._endpoint import Endpoint
from ._refusals import explain

__all__ = ["ACCEPTED_PARAMETER", "PUBLIC_KEY_PARAMETER", "Runner", "ServedModel", "ServerStatistics"]

messages: Any = service_pb2  # protobuf creates its classes at import time

DEFAULT_TIMEOUT_SECONDS = 60.0
_PARAMETER_PREFIX = "litho_"
ACCEPTED_PARAMETER = f"{_PARAMETER_PREFIX}accepted_failed"
PUBLIC_KEY_PARAMETER = f"{_PARAMETER_PREFIX}public_key"
"""Parameter of a configuration with a public key: model.py loads only a bundle signed with it."""

_LOOPBACK = ("127.", "localhost", "[::1]")


class ServedModel(BaseModel):
    """Facts of a deployed model, stored in the parameters of its configuration.

    Args:
        signature: inputs and output.
        bundle: name of the bundle that it was deployed from.
        variant: name of the bundle's variant; of several stages, names separated by commas.
        checkpoint_sha256: hash of the weights.
        precision: of the variant; of several stages in different ones, each, separated by commas; empty if unknown.
        grade: what its pictures promise.
        accepted_failed: True if it was deployed although its variant failed the gate, or without a proof.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    signature: GeneratorSignature
    bundle: str
    variant: str
    checkpoint_sha256: str
    precision: str = ""
    grade: Grade = "same picture"
    accepted_failed: bool = False

    def to_parameters(self) -> dict[str, str]:
        """The string parameters of a Triton model configuration."""
        signature = self.signature.model_dump_json(exclude_defaults=True)
        rest = self.model_dump(mode="json", exclude={"signature"})
        texts = {key: value if isinstance(value, str) else str(value).lower() for key, value in rest.items()}
        return {f"{_PARAMETER_PREFIX}{key}": text for key, text in {"signature": signature, **texts}.items()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> ServedModel:
        """Read the parameters of a model configuration; parameters of other tools are ignored.

        Raises:
            pydantic.ValidationError: litho did not deploy the model.
        """
        own = {
            key.removeprefix(_PARAMETER_PREFIX): text
            for key, text in parameters.items()
            if key.startswith(_PARAMETER_PREFIX)
        }
        signature = Signature.model_validate_json(own.pop("signature", ""))
        return cls.model_validate({**own, "signature": signature})


@dataclass(frozen=True)
class ServerStatistics:
    """A server's counters of one model since the server started; the difference of two covers the time between.

    Args:
        requests: requests answered without an error, warm-up included.
        inferences: pictures made.
        executions: batches run.
        queue_ns: total time that requests waited for an instance, in nanoseconds.
        compute_input_ns, compute_infer_ns, compute_output_ns: total time of inputs, inference and outputs, in
            nanoseconds; the time of a batch counts once for each of its requests.
        failures: requests answered with an error.
        batch_sizes: size of a batch -> number of batches.
    """

    requests: int
    inferences: int
    executions: int
    queue_ns: int
    compute_input_ns: int
    compute_infer_ns: int
    compute_output_ns: int
    failures: int = 0
    batch_sizes: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, counted: Any) -> ServerStatistics:
        """Read Triton's message `ModelStatistics`, which is of one version of a model."""
        times = counted.inference_stats
        return cls(
            requests=times.success.count,
            inferences=counted.inference_count,
            executions=counted.execution_count,
            queue_ns=times.queue.ns,
            compute_input_ns=times.compute_input.ns,
            compute_infer_ns=times.compute_infer.ns,
            compute_output_ns=times.compute_output.ns,
            failures=times.fail.count,
            batch_sizes={batch.batch_size: batch.compute_infer.count for batch in counted.batch_stats},
        )

    @property
    def mean_batch(self) -> float:
        """Pictures per batch; NaN if no batch was run."""
        return self.inferences / self.executions if self.executions else float("nan")

    def __add__(self, other: ServerStatistics) -> ServerStatistics:
        return self._combined(other, 1)

    def __sub__(self, earlier: ServerStatistics) -> ServerStatistics:
        return self._combined(earlier, -1)

    def _combined(self, other: ServerStatistics, sign: int) -> ServerStatistics:
        mine, others = vars(self), vars(other)
        numbers = {name: mine[name] + sign * others[name] for name in mine if name != "batch_sizes"}
        sizes = Counter(self.batch_sizes)
        for size, count in other.batch_sizes.items():
            sizes[size] += sign * count
        return ServerStatistics(
            **numbers, batch_sizes={size: count for size, count in sizes.items() if count}
        )


class Runner(base.Runner):
    """Runs one model of a Triton server.

    Args:
        address: HOST:PORT of the server's gRPC endpoint.
        model: name of the model.
        version: version of the model; empty for the server's choice.
        timeout_seconds: longest time to wait for an answer.
    """

    name = "triton"
    title = "Triton"
    packages = ("tritonclient", "grpcio")

    def __init__(
        self, address: str, model: str, version: str = "", *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    ) -> None:
        self.url = f"grpc://{address}/{model}" + (f"/{version}" if version else "")
        self._model, self._version, self._timeout_seconds = model, version, timeout_seconds
        self._channel = grpc.insecure_channel(address, _channel_options(address))
        self._stub: Any = GRPCInferenceServiceStub(self._channel)
        try:
            config = self._ask(self._stub.ModelConfig, messages.ModelConfigRequest).config
            self.served = _served_model(config, self.url)
        except BaseException:
            self._channel.close()
            raise
        super().__init__(self.served.signature, f"{self.served.variant} in Triton at {self.url}")
        self.variant, self.precision = self.served.variant, self.served.precision
        self.grade = self.served.grade
        self.max_batch_size = max(1, config.max_batch_size)

    @classmethod
    def from_location(cls, location: str, device: str) -> Self:
        """Open grpc://HOST:PORT/MODEL or grpc://HOST:PORT/MODEL/VERSION; the server decides on the device."""
        endpoint = Endpoint.parse(location)
        return cls(endpoint.address, endpoint.model, endpoint.version)

    def submit(self, inputs: Mapping[str, ArrayLike]) -> Future[dict[str, NDArray[np.uint8]]]:
        """Send a request and return its future; many may be in flight from one thread.

        The inputs must be checked arrays, as from `signature.check`. Cancelling the future cancels the request.
        """
        complete = self.signature.with_defaults(dict[str, Any](inputs))
        shape = self.signature.output_shape(complete)
        future: Future[dict[str, NDArray[np.uint8]]] = Future()
        # Unary calls are cheaper than a stream, and many requests on one stream crash Triton 24.10.
        call = self._stub.ModelInfer.future(self._request(complete), timeout=self._timeout_seconds)
        future.add_done_callback(lambda done: call.cancel() if done.cancelled() else None)
        call.add_done_callback(lambda answered: self._settle(future, answered, shape))
        return future

    def statistics(self) -> ServerStatistics:
        """The server's counters of this model.

        Raises:
            EndpointError: the server cannot be reached or no longer serves the model.
        """
        versions = self._ask(self._stub.ModelStatistics, messages.ModelStatisticsRequest).model_stats
        return ServerStatistics.of(max(versions, key=lambda counted: int(counted.version)))

    def close(self) -> None:
        """Close the connection; requests in flight fail, and closing twice is fine."""
        self._channel.close()

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        try:
            return _images(self._stub.ModelInfer(self._request(inputs), timeout=self._timeout_seconds))
        except grpc.RpcError as error:
            raise self._explained(error) from None

    def _settle(
        self, future: Future[dict[str, NDArray[np.uint8]]], call: Any, shape: tuple[int, ...]
    ) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            images = _images(call.result())
            self._check_output(images, shape)
        except grpc.RpcError as error:
            future.set_exception(self._explained(error))
        except Exception as error:  # future.result() raises it
            future.set_exception(error)
        else:
            future.set_result({self.signature.output.name: images})

    def _request(self, inputs: Mapping[str, Any]) -> Any:
        request = messages.ModelInferRequest(model_name=self._model, model_version=self._version)
        for entry in self.signature.inputs:
            array = inputs[entry.name]
            # Triton has no scalars: a field without a shape is sent as (batch, 1).
            shape = array.shape if entry.shape else (len(array), 1)
            request.inputs.add(name=entry.name, datatype=entry.dtype, shape=shape)
            request.raw_input_contents.append(_raw(array))
        return request

    def _ask(self, method: Callable[..., Any], request: Callable[..., Any]) -> Any:
        try:
            return method(request(name=self._model, version=self._version), timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            raise self._explained(error) from None

    def _explained(self, error: Any) -> EndpointError:
        return explain(
            error.code(), error.details(), self.url, self._timeout_seconds, alternatives=self._alternatives
        )

    def _alternatives(self) -> str:
        request = messages.RepositoryIndexRequest(ready=True)
        try:
            index = self._stub.RepositoryIndex(request, timeout=self._timeout_seconds).models
        except grpc.RpcError:
            return "it does not list its models"
        known = ", ".join(sorted({f"{model.name} (version {model.version})" for model in index}))
        return f"it has {known or 'no model'}"


def _images(answer: Any) -> NDArray[np.uint8]:
    return np.frombuffer(answer.raw_output_contents[0], np.uint8).reshape(answer.outputs[0].shape)


def _raw(array: NDArray[Any]) -> bytes:
    if array.dtype != object:
        return array.tobytes()
    serialized = serialize_byte_tensor(array)
    assert serialized is not None, "the signature allows no other dtype"
    return serialized.item()


def _served_model(config: Any, url: str) -> ServedModel:
    try:
        return ServedModel.from_parameters(
            {key: value.string_value for key, value in config.parameters.items()}
        )
    except ValidationError:
        raise EndpointError(
            f"{url} was not deployed by litho: it has no signature; use 'litho deploy'"
        ) from None


def _channel_options(address: str) -> list[tuple[str, int]]:
    # Batches of pictures may exceed gRPC's default limit of 4 MiB.
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    if address.startswith(_LOOPBACK):
        options.append(("grpc.enable_http_proxy", 0))  # a proxy cannot reach this machine's loopback
    return options
