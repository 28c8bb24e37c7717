"""Models behind a Triton Inference Server, asked over gRPC.

A model that litho deployed carries its signature in its configuration's parameters: a client needs the address
alone. This module knows the protocol of Triton and nothing of how a server is started or a model deployed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from typing import Any, Self
from urllib.parse import urlsplit

import grpc
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import serialize_byte_tensor

from ..errors import EndpointError, UsageError
from ..signature import Signature
from . import base

__all__ = ["Runner", "ServedModel", "ServerStatistics"]

DEFAULT_TIMEOUT_SECONDS = 60.0
_PARAMETER_PREFIX = "litho_"
_LOOPBACK = ("127.", "localhost", "[::1]")


class ServedModel(BaseModel):
    """What a deployed model says of itself.

    Args:
        signature: what it takes and gives.
        bundle: name of the bundle that it was deployed from.
        variant: name of the bundle's variant.
        checkpoint_sha256: hash of the weights.
        accepted_failed: deployed although its variant did not pass the gate.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    signature: Signature
    bundle: str
    variant: str
    checkpoint_sha256: str
    accepted_failed: bool = False

    def to_parameters(self) -> dict[str, str]:
        """The same as string parameters of a Triton model configuration."""
        signature = self.signature.model_dump_json(exclude_defaults=True)
        rest = self.model_dump(mode="json", exclude={"signature"})
        texts = {key: value if isinstance(value, str) else str(value).lower() for key, value in rest.items()}
        return {f"{_PARAMETER_PREFIX}{key}": text for key, text in {"signature": signature, **texts}.items()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> ServedModel:
        """Read the parameters of a model configuration; those of others are passed over.

        Raises:
            pydantic.ValidationError: the model was not deployed by litho.
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
    """What a model's server counted since it started; subtract an earlier one to get the time between.

    Args:
        requests: answered without an error, the warm-up's included.
        inferences: pictures made.
        executions: batches run.
        queue_ns: time that all requests together waited for an instance, in nanoseconds.
        compute_input_ns, compute_infer_ns, compute_output_ns: time spent on inputs, on running and on outputs,
            in nanoseconds, each batch's time counted once per request in it.
        failures: requests answered with an error.
        batch_sizes: size of a batch -> how many were run.
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

    @property
    def mean_batch(self) -> float:
        """Pictures per batch; NaN where nothing was run."""
        return self.inferences / self.executions if self.executions else float("nan")

    def __sub__(self, earlier: ServerStatistics) -> ServerStatistics:
        numbers = {
            entry.name: getattr(self, entry.name) - getattr(earlier, entry.name)
            for entry in fields(self)
            if entry.name != "batch_sizes"
        }
        sizes = {size: count - earlier.batch_sizes.get(size, 0) for size, count in self.batch_sizes.items()}
        return ServerStatistics(**numbers, batch_sizes={size: count for size, count in sizes.items() if count})


class Runner(base.Runner):
    """Asks one model of a Triton server.

    Args:
        address: HOST:PORT of the server's gRPC endpoint.
        model: name of the model.
        version: of the model; empty for the one that the server prefers.
        timeout_seconds: how long an answer may take.
    """

    name = "triton"

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
        super().__init__(self.served.signature, f"Triton at {self.url}")
        self.max_batch_size: int = config.max_batch_size

    @classmethod
    def from_location(cls, location: str, device: str) -> Self:
        """Open grpc://HOST:PORT/MODEL or grpc://HOST:PORT/MODEL/VERSION; the device is the server's affair."""
        parts = urlsplit(location)
        path = parts.path.strip("/").split("/")
        if parts.scheme != "grpc" or not parts.netloc or not path[0] or len(path) > 2:
            raise UsageError(f"endpoint {location!r} is none; give grpc://HOST:PORT/MODEL or .../MODEL/VERSION")
        return cls(parts.netloc, *path)

    def submit(self, inputs: Mapping[str, ArrayLike]) -> Future[dict[str, NDArray[np.uint8]]]:
        """Send a request and return its future; many may be in flight from one thread.

        The inputs must be checked arrays, as from `signature.check`. Cancelling the future cancels the request.
        """
        batch = len(next(iter(inputs.values())))  # pyright: ignore[reportArgumentType]
        future: Future[dict[str, NDArray[np.uint8]]] = Future()
        call = self._stub.ModelInfer.future(self._request(inputs), timeout=self._timeout_seconds)

        def settle(call: Any) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                images = self._images(call.result())
                self._check_output(images, batch)
                future.set_result({self.signature.output.name: images})
            except grpc.RpcError as error:
                future.set_exception(self._explain(error))
            except Exception as error:
                future.set_exception(error)

        call.add_done_callback(settle)
        return future

    def statistics(self) -> ServerStatistics:
        """What the server counted for this model since it started."""
        answer = self._ask(self._stub.ModelStatistics, messages.ModelStatisticsRequest)
        return _statistics(answer.model_stats)

    def close(self) -> None:
        """Close the connection; what is in flight fails."""
        self._channel.close()

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        try:
            return self._images(self._stub.ModelInfer(self._request(inputs), timeout=self._timeout_seconds))
        except grpc.RpcError as error:
            raise self._explain(error) from None

    def _request(self, inputs: Mapping[str, Any]) -> messages.ModelInferRequest:
        request = messages.ModelInferRequest(model_name=self._model, model_version=self._version)
        for entry in self.signature.inputs:
            array = inputs[entry.name]
            request.inputs.add(name=entry.name, datatype=entry.dtype, shape=array.shape if entry.shape else (len(array), 1))
            request.raw_input_contents.append(array.tobytes())
        return request

    def _images(self, answer: messages.ModelInferResponse) -> NDArray[np.uint8]:
        return np.frombuffer(answer.raw_output_contents[0], np.uint8).reshape(answer.outputs[0].shape)

    def _ask(self, method: Callable[..., Any], request: Callable[..., Any]) -> Any:
        try:
            return method(request(name=self._model, version=self._version), timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            raise self._explain(error) from None

    def _explain(self, error: Any) -> EndpointError:
        return EndpointError(f"{error.code()} {error.details()}")


def _served_model(config: Any, url: str) -> ServedModel:
    try:
        return ServedModel.from_parameters({key: value.string_value for key, value in config.parameters.items()})
    except ValidationError:
        raise EndpointError(f"{url} was not deployed by litho") from None


def _statistics(versions: Any) -> ServerStatistics:
    total = ServerStatistics(0, 0, 0, 0, 0, 0, 0)
    for counted in versions:
        times = counted.inference_stats
        total = ServerStatistics(
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
    return total


def _channel_options(address: str) -> list[tuple[str, int]]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    if address.startswith(_LOOPBACK):
        options.append(("grpc.enable_http_proxy", 0))
    return options
