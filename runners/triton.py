"""Models of a Triton Inference Server, over gRPC.

A model that litho deployed has its signature in the parameters of its configuration, so that a client needs only the
address. This module implements Triton's protocol; `serving` starts servers and deploys models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from copy import copy
from dataclasses import replace
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from ..errors import EndpointError, LithoError, UsageError
from . import base
from ._channel import Access, is_loopback, open_channel
from ._endpoint import Endpoint
from ._refusals import explain
from ._served import ACCEPTED_PARAMETER, PUBLIC_KEY_PARAMETER, ServedModel, ServerStatistics
from ._settled import finish
from ._shared_memory import Regions
from ._streamed_requests import StreamCalls, StreamedRequests
from ._triton_requests import (
    MOST_REQUEST_BYTES,
    Gathered,
    Images,
    MadeBy,
    Options,
    StreamedPicture,
    images_of,
    infer_request,
    messages,
    safe_inputs,
    whole_pictures,
)
from ._whole_requests import WholeRequests

__all__ = [
    "ACCEPTED_PARAMETER",
    "MOST_REQUEST_BYTES",
    "PUBLIC_KEY_PARAMETER",
    "Access",
    "Gathered",
    "Images",
    "MadeBy",
    "Options",
    "Runner",
    "ServedModel",
    "ServerStatistics",
    "StreamedPicture",
    "finish",
    "images_of",
    "is_loopback",
    "messages",
    "open_channel",
    "safe_inputs",
    "whole_pictures",
]

DEFAULT_OPTIONS = Options()
SHARE_SECONDS = 5.0
"""Longest time to wait until the server has opened or left shared memory."""

DEFAULT_TIMEOUT_SECONDS = 60.0


class Runner(base.Runner):
    """Runs one model of a Triton server.

    A request to a model that answers in a stream travels in a stream of its own, so that cancelling one concerns no
    other; every other request is a call of its own, which costs less.

    Args:
        address: HOST:PORT of the server's gRPC endpoint.
        model: name of the model.
        version: version of the model; empty for the server's choice.
        timeout_seconds: longest time to wait for an answer.
        secure: connect with TLS.
        access: certificates, API key and headers; by default what the environment says.

    Attributes:
        served: facts of the deployed model.
        parameters: all parameters of its configuration, name -> text.
        decoupled: whether the model answers in streams.
        caches: whether the server may answer from its response cache.
        access: certificates, API key and headers.
        metadata: headers of every call.
    """

    name = "triton"
    title = "Triton"
    packages = ("tritonclient", "grpcio")

    def __init__(
        self,
        address: str,
        model: str,
        version: str = "",
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        secure: bool = False,
        access: Access | None = None,
    ) -> None:
        self._endpoint = endpoint = Endpoint(address, model, version, secure)
        self.url = str(endpoint)
        self._model, self._version, self._timeout_seconds = model, version, timeout_seconds
        access = Access.from_environment() if access is None else access
        self.access, self.metadata = access, access.metadata
        self._whole = WholeRequests(self)
        self._channel = open_channel(endpoint, access)
        self._stub: Any = GRPCInferenceServiceStub(self._channel)
        self._streams = StreamedRequests(self, StreamCalls(self._channel))
        try:
            self._configure(self._ask(self._stub.ModelConfig, messages.ModelConfigRequest).config)
        except BaseException:
            self._channel.close()
            raise

    @classmethod
    def from_location(cls, location: str, device: str) -> Self:
        """Open grpc://HOST:PORT/MODEL or grpc://HOST:PORT/MODEL/VERSION; the server decides on the device."""
        endpoint = Endpoint.parse(location)
        return cls(endpoint.address, endpoint.model, endpoint.version, secure=endpoint.secure)

    def _configure(self, config: Any) -> None:
        self.parameters = {key: value.string_value for key, value in config.parameters.items()}
        self.served = _served_model(self.parameters, self.url)
        super().__init__(self.served.signature, f"{self.served.variant} in Triton at {self.url}")
        self.variant, self.precision = self.served.variant, self.served.precision
        self.grade = self.served.grade
        self.max_batch_size = max(1, config.max_batch_size)
        self.decoupled: bool = config.model_transaction_policy.decoupled
        self.caches: bool = config.response_cache.enable

    def use_shared_memory(self) -> None:
        """Let pictures and inputs travel in shared memory from now on, where the model answers whole requests.

        Raises:
            UsageError: the server is on another machine.
            EndpointError: it cannot be reached.
        """
        if not is_loopback(self._endpoint.address):
            raise UsageError(
                f"{self.url} is not on this machine; shared memory needs an address such as 127.0.0.1"
            )
        self._whole.regions = Regions(self._share)

    def _share(self, message: str, facts: Mapping[str, Any]) -> Any:
        name = f"SystemSharedMemory{message}"
        request = getattr(messages, f"{name}Request")(**facts)
        try:
            return getattr(self._stub, name)(request, timeout=SHARE_SECONDS, metadata=self.metadata)
        except grpc.RpcError as error:
            raise self.explained(error) from None

    def current_parameters(self) -> dict[str, str]:
        """The parameters of the configuration that the server has now.

        Raises:
            EndpointError: the server cannot be reached or no longer serves the model.
        """
        config = self._ask(self._stub.ModelConfig, messages.ModelConfigRequest).config
        return {key: value.string_value for key, value in config.parameters.items()}

    def look_for(self, model: str, found: Callable[[Runner | None], None]) -> None:
        """Ask for another model of the server, without waiting.

        Args:
            model: its name.
            found: gets a runner of it over the same connection, which only this runner closes; None where the server
                does not serve it, or litho did not deploy it. It is called in another thread.
        """
        request = messages.ModelConfigRequest(name=model)

        def answered(call: Any) -> None:
            other = copy(self)
            other._whole = WholeRequests(other, self._whole.regions)
            other._streams = StreamedRequests(other, self._streams.calls)
            other.url = str(replace(self._endpoint, model=model, version=""))
            other._model, other._version = model, ""
            try:
                other._configure(call.result().config)
            except (grpc.RpcError, grpc.FutureCancelledError, EndpointError):
                found(None)
            else:
                found(other)

        try:
            call = self._stub.ModelConfig.future(
                request, timeout=self._timeout_seconds, metadata=self.metadata
            )
        except ValueError:  # the channel is closed
            found(None)
        else:
            call.add_done_callback(answered)

    def submit(
        self, inputs: Mapping[str, ArrayLike], options: Options = DEFAULT_OPTIONS
    ) -> Future[dict[str, NDArray[np.uint8]]]:
        """Send a request and return its future; many may be in flight from one thread.

        The inputs must be checked arrays, as from `signature.check`. Cancelling the future cancels the request, on the
        server too.

        Args:
            inputs: field name -> array with a batch axis in front.
            options: of this request.

        Raises:
            InvalidInput: an empty batch, another shape or too large a request: that could end the server.
        """
        complete = safe_inputs(self.signature, inputs)
        future: Future[dict[str, NDArray[np.uint8]]] = Future()
        if self.decoupled:
            self._streams.submit(future, complete, options)
        else:
            self._whole.submit(future, complete, options)
        return future

    def pictures(
        self, inputs: Mapping[str, ArrayLike], options: Options = DEFAULT_OPTIONS
    ) -> Iterator[StreamedPicture]:
        """The pictures of a request as they come, and previews of them where `options` asks for some.

        A model that does not stream gives all pictures at once. Leaving the iterator cancels the request on the
        server.

        Args:
            inputs: field name -> array with a batch axis in front, checked.
            options: of this request.

        Raises:
            InvalidInput: see `submit`.
            EndpointError: the server refused, or ended the stream too early.
        """
        complete = safe_inputs(self.signature, inputs)
        if self.decoupled:
            yield from self._streams.pictures(complete, options)
            return
        future = self.submit(complete, options)
        try:
            images = future.result()[self.signature.output.name]
        finally:
            future.cancel()
        yield from whole_pictures(self.signature, complete, images)

    def statistics(self) -> ServerStatistics:
        """The server's counters of this model.

        Raises:
            EndpointError: the server cannot be reached or no longer serves the model.
        """
        versions = self._ask(self._stub.ModelStatistics, messages.ModelStatisticsRequest).model_stats
        return ServerStatistics.of(max(versions, key=lambda counted: int(counted.version)))

    def close(self) -> None:
        """Close the connection; requests in flight fail, and closing twice is fine."""
        self._whole.close()
        self._channel.close()
        self._streams.calls.close()

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        inputs = safe_inputs(self.signature, inputs)
        if self._whole.regions is not None:
            return self.submit(inputs).result()[self.signature.output.name]
        if not self.decoupled:
            try:
                return images_of(
                    self._stub.ModelInfer(
                        self.request(inputs, DEFAULT_OPTIONS),
                        timeout=self._timeout_seconds,
                        metadata=self.metadata,
                    )
                )
            except grpc.RpcError as error:
                if not self.became_decoupled(error):
                    raise self.explained(error) from None
        return self._streams.gathered(inputs, DEFAULT_OPTIONS)

    def submit_stream(self, future: Future[Any], inputs: dict[str, NDArray[Any]], options: Options) -> None:
        """Send checked inputs in a stream of their own, and settle the future."""
        self._streams.submit(future, inputs, options)

    def finish(self, future: Future[Any], images: NDArray[np.uint8], inputs: dict[str, NDArray[Any]]) -> None:
        """Settle a future with the pictures of its inputs, or with what is wrong with them."""
        try:
            self._check_output(images, self.signature.output_shape(inputs))
        except LithoError as error:
            finish(future, error=error)
        else:
            finish(future, {self.signature.output.name: images})

    def became_decoupled(self, error: Any) -> bool:
        """Whether a call failed because the model, in a newer version, answers in streams; it is remembered."""
        self.decoupled |= (
            error.code() is grpc.StatusCode.UNIMPLEMENTED and "decoupled" in (error.details() or "").lower()
        )
        return self.decoupled

    def limit(self, options: Options) -> float:
        """Seconds that a request may take."""
        return options.timeout_seconds or self._timeout_seconds

    def headers(self, options: Options) -> tuple[tuple[str, str], ...]:
        """Headers of a request."""
        if options.traceparent is None:
            return self.metadata
        return (*self.metadata, ("traceparent", options.traceparent))

    @property
    def infer(self) -> Any:
        """The call for a whole answer, of the connection."""
        return self._stub.ModelInfer

    def request(self, inputs: Mapping[str, Any], options: Options) -> Any:
        """The message that asks for pictures; `inputs` as `safe_inputs` returns them."""
        return infer_request(self._model, self._version, self.signature, inputs, options)

    def _ask(self, method: Callable[..., Any], request: Callable[..., Any]) -> Any:
        try:
            return method(
                request(name=self._model, version=self._version),
                timeout=self._timeout_seconds,
                metadata=self.metadata,
            )
        except grpc.RpcError as error:
            raise self.explained(error) from None

    def explained(self, error: Any, options: Options = DEFAULT_OPTIONS) -> EndpointError:
        """The error of litho for one of gRPC; where there is no such model, the server is asked for others."""
        return explain(
            error.code(), error.details(), self.url, self.limit(options), alternatives=self._alternatives
        )

    def cancelled(self) -> EndpointError:
        """The error of a request whose connection was closed."""
        return explain(grpc.StatusCode.CANCELLED, "", self.url, self._timeout_seconds)

    def _alternatives(self) -> str:
        request = messages.RepositoryIndexRequest(ready=True)
        try:
            index = self._stub.RepositoryIndex(
                request, timeout=self._timeout_seconds, metadata=self.metadata
            ).models
        except grpc.RpcError:
            return "it does not list its models"
        known = ", ".join(sorted({f"{model.name} (version {model.version})" for model in index}))
        return f"it has {known or 'no model'}"


def _served_model(parameters: Mapping[str, str], url: str) -> ServedModel:
    try:
        return ServedModel.from_parameters(parameters)
    except ValidationError:
        raise EndpointError(
            f"{url} was not deployed by litho: it has no signature; use 'litho deploy'"
        ) from None
