"""The client for asyncio: the names of `Client`, awaited."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Self

import grpc
import grpc.aio
import numpy as np
from grpc.aio import EOF  # pyright: ignore[reportAttributeAccessIssue]
from numpy.typing import ArrayLike, NDArray

from ...errors import EndpointError, EndpointUnavailable, UsageError
from ...runners import Endpoint
from ...runners.base import IN_FLIGHT
from ...runners.triton import (
    DEFAULT_OPTIONS,
    DEFAULT_TIMEOUT_SECONDS,
    Access,
    Gathered,
    Images,
    MadeBy,
    Options,
    Runner,
    ServedModel,
    ServerStatistics,
    StreamedPicture,
    images_of,
    messages,
    open_channel,
    safe_inputs,
    whole_pictures,
)
from ...signature import Signature, in_batches
from .client import Client
from .retries import Retries, Unfinished

__all__ = ["AsyncClient"]


class AsyncClient:
    """Client of a model that litho deployed, for asyncio; see `Client`.

        >>> async def threes():
        ...     async with AsyncClient("grpc://127.0.0.1:8001/digits") as client:
        ...         return await client.generate(seed=range(100), label=3)
        >>> asyncio.run(threes()).shape
        (100, 32, 32, 1)

    Hundreds of requests may be in flight, in one task or in many. Cancelling a task cancels its request on the server.

    Args:
        url: the model's endpoint, grpc://HOST:PORT/MODEL, or grpcs:// for TLS.
        model: name of the model, where `url` is only grpc://HOST:PORT.
        timeout_seconds: longest time to wait for one answer, further tries included.
        access: certificates, API key and headers; by default what the environment says.
        retries: when a failed request is sent again.

    Raises:
        UsageError: the endpoint has another form.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        access: Access | None = None,
        retries: Retries | None = None,
    ) -> None:
        self._endpoint = Endpoint.parse(url if model is None else f"{url.rstrip('/')}/{model}")
        self._access = Access.from_environment() if access is None else access
        self._open = partial(
            Client,
            str(self._endpoint),
            timeout_seconds=timeout_seconds,
            access=self._access,
            retries=retries,
        )
        self._connected: Client | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient {self._endpoint}>"

    async def connect(self) -> None:
        """Ask the server for the signature; `async with` does it.

        Raises:
            UsageError: a certificate cannot be read.
            EndpointError: the server cannot be reached, has no such model, or litho did not deploy it.
        """
        if self._connected is not None:
            return
        self._connected = await asyncio.to_thread(self._open)
        self._channel = open_channel(self._endpoint, self._access, asynchronous=True)
        self._stream_call: Any = self._channel.unary_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            request_serializer=messages.ModelInferRequest.SerializeToString,
            response_deserializer=messages.ModelStreamInferResponse.FromString,
        )

    async def close(self) -> None:
        """Close the connection; requests in flight fail, and closing twice is fine."""
        if self._connected is not None:
            await self._channel.close()
            self._connected.close()

    @property
    def signature(self) -> Signature:
        """The model's inputs and output."""
        return self._client.signature

    @property
    def served(self) -> ServedModel:
        """Facts of the deployed model."""
        return self._client.served

    @property
    def parameters(self) -> dict[str, str]:
        """All parameters of the model's configuration, name -> text."""
        return self._client.parameters

    @property
    def max_batch_size(self) -> int:
        """Most pictures of one request; larger ones are split."""
        return self._client.max_batch_size

    @property
    def decoupled(self) -> bool:
        """Whether the model answers in streams, and so can send previews."""
        return self._client.decoupled

    @property
    def has_candidate(self) -> bool:
        """Whether a candidate version gets a share of the requests now."""
        return self._client.has_candidate

    @property
    def _client(self) -> Client:
        if self._connected is None:
            raise UsageError(f"{self!r} is not connected; use 'async with', or await connect() first")
        return self._connected

    async def generate(self, options: Options = DEFAULT_OPTIONS, /, **fields: ArrayLike) -> NDArray[Any]:
        """Make one image for each row of the fields, in order; see `Client.generate`.

        Raises:
            InvalidInput: a field is unknown, missing, or has a value that it does not allow.
            EndpointError: the server refused, or did not answer in time.
        """
        client = self._client
        inputs = client.signature.check(client.signature.broadcast(fields))
        name = client.signature.output.name
        parts: list[NDArray[Any]] = []
        pending: deque[asyncio.Task[Images]] = deque()
        try:
            for part in in_batches(inputs, client.max_batch_size):
                if len(pending) == IN_FLIGHT:
                    parts.append((await pending[0])[name])
                    pending.popleft()
                pending.append(self.submit(part, options))
            while pending:
                parts.append((await pending[0])[name])
                pending.popleft()
        finally:
            for task in pending:  # after a failure nobody waits for the others
                task.cancel()
        return np.concatenate(parts)

    def submit(
        self, inputs: Mapping[str, ArrayLike], options: Options = DEFAULT_OPTIONS
    ) -> asyncio.Task[Images]:
        """Send a request and return its task; cancelling the task cancels the request, on the server too.

        `made_by` of the answer names the version that gave it.

        Args:
            inputs: field name -> array with a batch axis in front, checked, as from `signature.check`.
            options: of this request.

        Raises:
            InvalidInput: an empty batch, another shape or too large a request: that could end the server.
        """
        return asyncio.create_task(self._answer(safe_inputs(self.signature, inputs), options))

    def stream(
        self, options: Options = DEFAULT_OPTIONS, /, **fields: ArrayLike
    ) -> AsyncGenerator[StreamedPicture]:
        """Pictures as they are finished, and previews of them; see `Client.stream`.

        Leaving the loop early does not end the stream at once; `contextlib.aclosing` around it does.

        Raises:
            InvalidInput: as `generate` does, before anything is sent.
            EndpointError: the server refused, or did not answer in time.
        """
        signature = self.signature
        return self._stream(signature.check(signature.broadcast(fields)), options)

    async def statistics(self) -> ServerStatistics:
        """The server's counters of this model.

        Raises:
            EndpointError: the server cannot be reached or no longer serves the model.
        """
        return await asyncio.to_thread(self._client.statistics)

    async def _answer(self, inputs: dict[str, NDArray[Any]], options: Options) -> Images:
        client = self._client
        attempts = client.attempts(options)
        while True:
            runner = client.runner_for(inputs)
            limited = replace(options, timeout_seconds=attempts.left_seconds)
            try:
                images, made_by = await self._whole(runner, inputs, limited)
            except EndpointError as error:
                if (wait := client.wait_after(error, runner, attempts)) is None:
                    raise attempts.last(error, runner.url) from None
                await asyncio.sleep(wait)
            else:
                client.check_output(images, client.signature.output_shape(inputs))
                return Images({client.signature.output.name: images}, made_by)

    async def _whole(
        self, runner: Runner, inputs: dict[str, NDArray[Any]], options: Options
    ) -> tuple[NDArray[np.uint8], MadeBy]:
        if not runner.decoupled:
            try:
                answer = await _answer_of(runner, inputs, options)
                return images_of(answer), MadeBy.of(answer)
            except grpc.RpcError as error:
                if not runner.became_decoupled(error):
                    raise await self._explained(runner, error, options) from None
        gathered = Gathered(runner.signature, inputs, runner.url)
        async for _ in self._streamed(runner, inputs, replace(options, preview_every=0), gathered):
            pass
        return gathered.images(), gathered.made_by

    async def _stream(
        self, inputs: dict[str, NDArray[Any]], options: Options
    ) -> AsyncGenerator[StreamedPicture]:
        client = self._client
        for number, part in enumerate(in_batches(inputs, client.max_batch_size)):
            unfinished = Unfinished(client.signature, part, number * client.max_batch_size)
            attempts = client.attempts(options)
            wait: float | None = 0.0
            while wait is not None:
                await asyncio.sleep(wait)
                wait = None
                runner = client.runner_for(left := unfinished.inputs())
                limited = replace(options, timeout_seconds=attempts.left_seconds)
                try:
                    async with aclosing(self._pictures(runner, left, limited)) as pictures:
                        async for picture in pictures:
                            if (new := unfinished.accept(picture)) is not None:
                                yield new
                except EndpointError as error:
                    if (wait := client.wait_after(error, runner, attempts)) is None:
                        raise attempts.last(error, runner.url) from None

    async def _pictures(
        self, runner: Runner, inputs: dict[str, NDArray[Any]], options: Options
    ) -> AsyncGenerator[StreamedPicture]:
        if runner.decoupled:
            gathered = Gathered(runner.signature, inputs, runner.url)
            async with aclosing(self._streamed(runner, inputs, options, gathered)) as pictures:
                async for picture in pictures:
                    yield picture
        else:
            images, made_by = await self._whole(runner, inputs, options)
            for picture in whole_pictures(runner.signature, inputs, images, made_by):
                yield picture

    async def _streamed(
        self, runner: Runner, inputs: dict[str, NDArray[Any]], options: Options, gathered: Gathered
    ) -> AsyncGenerator[StreamedPicture]:
        call = self._call(runner, inputs, options)
        try:
            while True:
                async with asyncio.timeout(options.answer_seconds):
                    response = await call.read()
                if response is EOF:
                    break
                for picture in gathered.add(response):
                    yield picture
        except TimeoutError:
            raise EndpointUnavailable(
                f"{runner.url} streamed nothing for {options.answer_seconds:g} s; try again, or see the server's log"
            ) from None
        except grpc.RpcError as error:
            raise await self._explained(runner, error, options) from None
        finally:
            call.cancel()
        gathered.images()

    def _call(self, runner: Runner, inputs: Mapping[str, NDArray[Any]], options: Options) -> Any:
        try:
            return self._stream_call(
                runner.request(inputs, options),
                timeout=runner.limit(options),
                metadata=runner.headers(options),
            )
        except grpc.aio.UsageError:  # the channel is closed
            raise runner.cancelled() from None

    async def _explained(self, runner: Runner, error: grpc.RpcError, options: Options) -> EndpointError:
        # Where there is no such model, the server is asked for others.
        return await asyncio.to_thread(runner.explained, error, options)


async def _answer_of(runner: Runner, inputs: Mapping[str, NDArray[Any]], options: Options) -> Any:
    """The server's message for a request that is answered as a whole; cancelling this cancels it, on the server too.

    A call of gRPC's threads takes a quarter less processor time than one of `grpc.aio`.
    """
    loop = asyncio.get_running_loop()
    answered = loop.create_future()

    def wake(call: Any) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(lambda: answered.done() or answered.set_result(None))

    request, limit = runner.request(inputs, options), runner.limit(options)
    try:
        call = runner.infer.future(request, timeout=limit, metadata=runner.headers(options))
    except ValueError:  # the channel is closed
        raise runner.cancelled() from None
    call.add_done_callback(wake)
    try:
        await answered
    except asyncio.CancelledError:
        call.cancel()
        raise
    return call.result()
