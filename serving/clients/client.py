"""Client of a served model: one call gives one array of images, or a stream of them as they come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import EndpointError
from ...runners import Endpoint
from ...runners.base import IN_FLIGHT, Runner as AnyRunner
from ...runners.triton import (
    DEFAULT_OPTIONS,
    DEFAULT_TIMEOUT_SECONDS,
    Access,
    Options,
    Runner,
    ServerStatistics,
    StreamedPicture,
    finish,
)
from ...signature import in_batches
from .canary import Canary
from .retries import Attempts, Retries, Unfinished

__all__ = ["Access", "Client", "Options", "Retries", "StreamedPicture"]


class Client(AnyRunner):
    """Client of a model that litho deployed: a `Runner` with `generate`, to which the server sends the signature.

        >>> with Client("grpc://127.0.0.1:8001/digits") as client:
        ...     images = client.generate(seed=range(100), label=3)
        >>> images.shape
        (100, 32, 32, 1)

    A request that finds the server unavailable is sent again, until its deadline. Where the server holds a candidate
    version, NAME-canary, its share of the requests goes there; the same request always goes to the same version.

    Args:
        url: the model's endpoint, grpc://HOST:PORT/MODEL, or grpcs:// for TLS.
        model: name of the model, where `url` is only grpc://HOST:PORT.
        timeout_seconds: longest time to wait for one answer, further tries included.
        access: certificates, API key and headers; by default what LITHO_TLS_CA, LITHO_TLS_CERTIFICATE, LITHO_TLS_KEY
            and LITHO_API_KEY say.
        retries: when a failed request is sent again.
        shared_memory: exchange inputs and pictures through memory that this process shares with a server on this
            machine; streams do not. Nothing of it is left, however the process ends.

    Attributes:
        signature: the model's inputs and output.
        served: facts of the deployed model.
        url: of the model.

    Raises:
        UsageError: the endpoint has another form, or a certificate cannot be read.
        EndpointError: the server cannot be reached, has no such model, or litho did not deploy it.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        access: Access | None = None,
        retries: Retries | None = None,
        shared_memory: bool = False,
    ) -> None:
        endpoint = Endpoint.parse(url if model is None else f"{url.rstrip('/')}/{model}")
        self._live = live = Runner(
            endpoint.address,
            endpoint.model,
            endpoint.version,
            timeout_seconds=timeout_seconds,
            secure=endpoint.secure,
            access=access,
        )
        super().__init__(live.signature, live.description)
        self.url, self.served, self.parameters = live.url, live.served, live.parameters
        self.variant, self.precision, self.grade = live.variant, live.precision, live.grade
        self.max_batch_size = live.max_batch_size
        if shared_memory:
            try:
                live.use_shared_memory()
            except BaseException:
                live.close()
                raise
        self._retries = retries or Retries()
        self._canary = None if endpoint.version else Canary(live, endpoint.model)

    def __repr__(self) -> str:
        return f"<Client {self.url}, variant {self.served.variant}>"

    @property
    def decoupled(self) -> bool:
        """Whether the model answers in streams, and so can send previews."""
        return self._live.decoupled

    @property
    def has_candidate(self) -> bool:
        """Whether a candidate version gets a share of the requests now."""
        return self._canary is not None and self._canary.active

    def generate(self, options: Options = DEFAULT_OPTIONS, /, **fields: ArrayLike) -> NDArray[Any]:
        """Make one image for each row of the fields, in order; any number of them.

        Args:
            options: deadline, priority and longest wait in the queue of each request that this call is split into.
            fields: name -> values, as the signature says; a single value, or one image without the batch axis,
                is used for all images.

        Returns:
            UINT8 of shape (N, height, width, channels), 0 to 255.

        Raises:
            InvalidInput: a field is unknown, missing, or has a value that it does not allow.
            EndpointError: the server refused, or did not answer in time.
        """
        inputs = self.signature.check(self.signature.broadcast(fields))
        parts: list[NDArray[Any]] = []
        pending: deque[Future[dict[str, NDArray[Any]]]] = deque()
        try:
            for part in in_batches(inputs, self.max_batch_size):
                if len(pending) == IN_FLIGHT:
                    parts.append(pending.popleft().result()[self.signature.output.name])
                pending.append(self.submit(part, options))
            while pending:
                parts.append(pending.popleft().result()[self.signature.output.name])
        finally:
            for future in pending:  # after a failure nobody waits for the others
                future.cancel()
        return np.concatenate(parts)

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
        request = _Request(self, dict[str, Any](inputs), options)
        request.send()
        return request.future

    def stream(self, options: Options = DEFAULT_OPTIONS, /, **fields: ArrayLike) -> Iterator[StreamedPicture]:
        """Pictures as they are finished, and previews of them every `options.preview_every` steps.

            >>> for picture in client.stream(Options(preview_every=4), prompt="a red circle", seed=range(8), steps=32):
            ...     show(picture.row, picture.image, picture.finished)

        A model that answers whole requests gives the pictures of a batch at once, without previews. Leaving the loop
        cancels what is left, on the server too. After a failure that passes only the missing pictures are asked for.

        Args:
            options: of each request that this call is split into.
            fields: as `generate` takes them.

        Raises:
            InvalidInput: as `generate` does, before anything is sent.
            EndpointError: the server refused, or did not answer in time.
        """
        return self._stream(self.signature.check(self.signature.broadcast(fields)), options)

    def statistics(self) -> ServerStatistics:
        """The server's counters of this model.

        Raises:
            EndpointError: the server cannot be reached or no longer serves the model.
        """
        return self._live.statistics()

    def use_live_only(self) -> None:
        """Send nothing to a candidate version any more."""
        self._canary = None

    def current_parameters(self) -> dict[str, str]:
        """The parameters of the configuration that the server has now, which another version may have changed.

        Raises:
            EndpointError: the server cannot be reached or no longer serves the model.
        """
        return self._live.current_parameters()

    def close(self) -> None:
        """Close the connection; requests in flight fail, and closing twice is fine."""
        self._live.close()

    def runner_for(self, inputs: Mapping[str, NDArray[Any]]) -> Runner:
        """The runner that is to answer a request: the live model's, or its candidate's."""
        return self._live if self._canary is None else self._canary.runner_for(inputs)

    def attempts(self, options: Options) -> Attempts:
        """The tries of a request that starts now."""
        return Attempts(self._retries, self._live.limit(options))

    def wait_after(self, error: Exception, runner: Runner, attempts: Attempts) -> float | None:
        """Seconds to wait before a failed request is sent again; None if it is not to be."""
        wait = attempts.wait_after(error)
        if self._canary is not None and isinstance(error, EndpointError) and self._canary.drop(runner):
            return 0.0  # the live model answers
        return wait

    def check_output(self, images: NDArray[Any], shape: tuple[int, ...]) -> None:
        """Refuse an answer of another form; some servers report success with an empty one."""
        self._check_output(images, shape)

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        return self.submit(inputs).result()[self.signature.output.name]

    def _stream(self, inputs: dict[str, NDArray[Any]], options: Options) -> Iterator[StreamedPicture]:
        first = 0
        for part in in_batches(inputs, self.max_batch_size):
            unfinished = Unfinished(self.signature, part, first)
            attempts = self.attempts(options)
            while (wait := (yield from self._try_stream(unfinished, attempts, options))) is not None:
                time.sleep(wait)
            first += self.max_batch_size

    def _try_stream(self, unfinished: Unfinished, attempts: Attempts, options: Options) -> Any:
        runner = self.runner_for(inputs := unfinished.inputs())
        try:
            for picture in runner.pictures(inputs, replace(options, timeout_seconds=attempts.left_seconds)):
                if (new := unfinished.accept(picture)) is not None:
                    yield new
        except EndpointError as error:
            if (wait := self.wait_after(error, runner, attempts)) is None:
                raise attempts.last(error, runner.url) from None
            return wait
        return None


class _Request:
    """One request on its way: sent, and sent again after a wait, until it is answered, refused or cancelled."""

    def __init__(self, client: Client, inputs: dict[str, Any], options: Options) -> None:
        self.future: Future[dict[str, NDArray[np.uint8]]] = Future()
        self._client, self._inputs, self._options = client, inputs, options
        self._attempts = client.attempts(options)
        self._sent: Future[Any] | None = None
        self.future.add_done_callback(self._pass_on)

    def send(self) -> None:
        """Send it now, unless it was cancelled meanwhile."""
        if self.future.cancelled():
            finish(self.future)
            return
        runner = self._client.runner_for(self._inputs)
        options = replace(self._options, timeout_seconds=self._attempts.left_seconds)
        self._sent = runner.submit(self._inputs, options)
        if self.future.cancelled():
            self._sent.cancel()
        self._sent.add_done_callback(lambda answered: self._answered(answered, runner))

    def _answered(self, answered: Future[Any], runner: Runner) -> None:
        if answered.cancelled():
            finish(self.future)
        elif not isinstance(error := answered.exception(), Exception):
            finish(self.future, answered.result())
        elif (wait := self._client.wait_after(error, runner, self._attempts)) is None:
            finish(self.future, error=self._attempts.last(error, runner.url))
        elif wait == 0:
            self.send()
        else:
            timer = threading.Timer(wait, self.send)
            timer.daemon = True
            timer.start()

    def _pass_on(self, done: Future[Any]) -> None:
        if done.cancelled() and self._sent is not None:
            self._sent.cancel()
