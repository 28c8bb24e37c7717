"""Requests of a Triton client that are answered as a whole, with tensors in shared memory where that is wanted."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

import grpc
import numpy as np
from numpy.typing import NDArray

from ..errors import EndpointError
from ..signature import Signature
from ._settled import finish
from ._shared_memory import Region, Regions
from ._triton_requests import Options, images_of, point_to, size_of

__all__ = ["Asking", "WholeRequests"]


class Asking(Protocol):
    """What this needs of a runner; its methods say what they do."""

    signature: Signature
    url: str

    @property
    def infer(self) -> Any: ...
    def request(self, inputs: Any, options: Options) -> Any: ...
    def limit(self, options: Options) -> float: ...
    def headers(self, options: Options) -> Any: ...
    def cancelled(self) -> EndpointError: ...
    def explained(self, error: Any, options: Options) -> EndpointError: ...
    def became_decoupled(self, error: Any) -> bool: ...
    def submit_stream(self, future: Any, inputs: Any, options: Options) -> None: ...
    def finish(self, future: Any, images: Any, inputs: Any) -> None: ...


class WholeRequests:
    """Sends requests of a runner and settles their futures.

    Args:
        runner: whose model is asked.
        regions: of shared memory that tensors travel in; None for the connection.
    """

    def __init__(self, runner: Asking, regions: Regions | None = None) -> None:
        self._runner, self.regions = runner, regions

    def close(self) -> None:
        """Give back shared memory."""
        if self.regions is not None:
            self.regions.close()

    def submit(self, future: Future[Any], inputs: dict[str, NDArray[Any]], options: Options) -> None:
        """Send checked inputs, and settle the future when they are answered."""
        # Unary calls are cheaper than a stream, and many requests on one stream crash Triton 24.10.
        request, limit = self._runner.request(inputs, options), self._runner.limit(options)
        placed = None
        if self.regions is not None:
            shape = self._runner.signature.output_shape(inputs)
            try:
                region = self.regions.borrow(size_of(request, shape))
            except EndpointError as error:
                finish(future, error=error)
                return
            placed = region, point_to(region, request, self._runner.signature.output.name, shape)
        try:
            call = self._runner.infer.future(request, timeout=limit, metadata=self._runner.headers(options))
        except ValueError:  # the channel is closed
            if placed is not None:
                self._give_back(placed[0], answered=False)
            finish(future, error=self._runner.cancelled())
            return
        future.add_done_callback(lambda done: call.cancel() if done.cancelled() else None)
        call.add_done_callback(lambda answered: self._settle(future, answered, inputs, options, placed))

    def _settle(
        self,
        future: Future[Any],
        call: Any,
        inputs: dict[str, NDArray[Any]],
        options: Options,
        placed: tuple[Region, int] | None,
    ) -> None:
        answered = False
        try:
            images = self._images(call.result(), placed)
            answered = True
        except grpc.FutureCancelledError:
            finish(future, error=self._runner.cancelled())
        except grpc.RpcError as error:
            if self._runner.became_decoupled(error):
                self._runner.submit_stream(future, inputs, options)
            else:
                finish(future, error=self._runner.explained(error, options))
        except Exception as error:  # future.result() raises it
            finish(future, error=error)
        else:
            self._runner.finish(future, images, inputs)
        finally:
            if placed is not None:
                self._give_back(placed[0], answered)

    def _give_back(self, region: Region, answered: bool) -> None:
        assert self.regions is not None, "it lent the region"
        if answered:
            self.regions.give_back(region, answered=True)
        else:
            # This asks the server, which a callback of the connection must not wait for.
            drop = partial(self.regions.give_back, region, answered=False)
            threading.Thread(target=drop, name="litho-shared-memory", daemon=True).start()

    def _images(self, answer: Any, placed: tuple[Region, int] | None) -> NDArray[np.uint8]:
        if placed is None:
            return images_of(answer)
        region, offset = placed
        shape = tuple(answer.outputs[0].shape)
        # Of more than it was given room for, the server refuses to write anything.
        return region.read(offset, shape)
