"""Requests of a Triton client whose pictures come one by one, each in a stream of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from ..errors import EndpointUnavailable
from ._settled import finish
from ._silence import Silent, heard
from ._triton_requests import Gathered, Options, StreamedPicture, messages
from ._whole_requests import Asking

__all__ = ["MOST_STREAMS", "StreamCalls", "StreamedRequests"]

MOST_STREAMS = 256
"""Streams of one connection at a time: each has a thread that reads it."""


class StreamCalls:
    """Streams of one connection.

    Args:
        channel: of the connection, which it does not close.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        # A call with one request needs no thread that reads requests; on the wire it is the same stream.
        self.begin: Any = channel.unary_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            request_serializer=messages.ModelInferRequest.SerializeToString,
            response_deserializer=messages.ModelStreamInferResponse.FromString,
        )
        self.pool = ThreadPoolExecutor(MOST_STREAMS, thread_name_prefix="litho-stream")

    def close(self) -> None:
        """Read no more of them."""
        self.pool.shutdown(wait=False, cancel_futures=True)


class StreamedRequests:
    """Sends requests of a runner in streams.

    Args:
        runner: whose model is asked.
        calls: of its connection.
    """

    def __init__(self, runner: Asking, calls: StreamCalls) -> None:
        self._runner, self.calls = runner, calls

    def submit(self, future: Future[Any], inputs: dict[str, NDArray[Any]], options: Options) -> None:
        """Send checked inputs, and settle the future when all pictures are there."""

        def work() -> None:
            try:
                images = self.gathered(inputs, options, future)
            except Exception as error:  # future.result() raises it
                finish(future, error=error)
            else:
                self._runner.finish(future, images, inputs)

        try:
            self.calls.pool.submit(work)
        except RuntimeError:  # the pool is shut down
            finish(future, error=self._runner.cancelled())

    def gathered(
        self, inputs: dict[str, NDArray[Any]], options: Options, future: Future[Any] | None = None
    ) -> NDArray[np.uint8]:
        """All pictures of checked inputs; cancelling `future` cancels the request."""
        gathered = Gathered(self._runner.signature, inputs, self._runner.url)
        for _ in self.pictures(inputs, replace(options, preview_every=0), gathered, future):
            pass
        return gathered.images()

    def pictures(
        self,
        inputs: dict[str, NDArray[Any]],
        options: Options,
        gathered: Gathered | None = None,
        future: Future[Any] | None = None,
    ) -> Iterator[StreamedPicture]:
        """The pictures of checked inputs as they come; `gathered` keeps them. `future` can cancel the request."""
        runner = self._runner
        gathered = gathered or Gathered(runner.signature, inputs, runner.url)
        try:
            call = self.calls.begin(
                runner.request(inputs, options),
                timeout=runner.limit(options),
                metadata=runner.headers(options),
            )
        except ValueError:  # the channel is closed
            raise runner.cancelled() from None
        if future is not None:
            future.add_done_callback(lambda done: call.cancel() if done.cancelled() else None)
        try:
            for response in heard(call, options.answer_seconds):
                yield from gathered.add(response)
        except Silent:
            raise EndpointUnavailable(
                f"{runner.url} streamed nothing for {options.answer_seconds:g} s; try again, or see the server's log"
            ) from None
        except grpc.RpcError as error:
            raise runner.explained(error, options) from None
        finally:
            call.cancel()
        gathered.images()
