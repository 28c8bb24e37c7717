"""Requests in streams, against a gRPC server of this process that streams what a test tells it to."""

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc.service_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)

from litho.errors import EndpointError, EndpointUnavailable
from litho.runners._refusals import explain
from litho.runners._settled import finish
from litho.runners._streamed_requests import StreamCalls, StreamedRequests
from litho.runners._triton_requests import Options, infer_request

from ..streaming import SIGNATURE
from .test_triton_requests import INPUTS, PICTURE, streamed

LIMIT = 60.0


class Answering(GRPCInferenceServiceServicer):
    """Streams a picture for each row, in the reverse order, and does what a request's id asks for before the last."""

    def __init__(self) -> None:
        self.begun, self.ended = SimpleQueue[str](), SimpleQueue[str]()

    def ModelStreamInfer(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        request = next(iter(request_iterator))
        over = threading.Event()
        context.add_callback(over.set)
        context.add_callback(lambda: self.ended.put(request.id))
        yield streamed(PICTURE + 1, row=[1], step=[4])
        self.begun.put(request.id)
        if request.id == "refuse":
            context.abort(grpc.StatusCode.UNAVAILABLE, "the model is gone")
        if request.id == "end":
            return
        if request.id.startswith("silent"):
            over.wait(LIMIT)
            return
        yield streamed(PICTURE, row=[0], step=[2])


class Asker:
    """What `StreamedRequests` needs of a runner."""

    signature, url = SIGNATURE, "grpc://127.0.0.1/model"
    infer = None

    def request(self, inputs: Any, options: Options) -> Any:
        return infer_request("model", "", SIGNATURE, inputs, options)

    def limit(self, options: Options) -> float:
        return LIMIT

    def headers(self, options: Options) -> Any:
        return ()

    def cancelled(self) -> EndpointError:
        return explain(grpc.StatusCode.CANCELLED, "", self.url, LIMIT)

    def explained(self, error: Any, options: Options) -> EndpointError:
        return explain(error.code(), error.details(), self.url, LIMIT, alternatives=lambda: "")

    def became_decoupled(self, error: Any) -> bool:
        return True

    def submit_stream(self, future: Any, inputs: Any, options: Options) -> None:
        raise AssertionError("this is for whole requests")

    def finish(self, future: Any, images: Any, inputs: Any) -> None:
        finish(future, images)


@pytest.fixture
def answering() -> Answering:
    return Answering()


@pytest.fixture
def requests(answering: Answering) -> Iterator[StreamedRequests]:
    server = grpc.server(ThreadPoolExecutor(4))
    add_GRPCInferenceServiceServicer_to_server(answering, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        calls = StreamCalls(channel)
        yield StreamedRequests(Asker(), calls)
        calls.close()
    server.stop(0).wait()


def test_pictures_come_one_by_one_or_all_together(requests: StreamedRequests) -> None:
    both = np.concatenate([PICTURE, PICTURE + 1])
    assert [one.row for one in requests.pictures(INPUTS, Options())] == [1, 0]
    assert np.array_equal(requests.gathered(INPUTS, Options(preview_every=3)), both)
    future: Future[Any] = Future()
    requests.submit(future, INPUTS, Options())
    assert np.array_equal(future.result(LIMIT), both)


def test_what_goes_wrong_in_a_stream_is_one_line(requests: StreamedRequests) -> None:
    for asked, error, words in (
        (Options(request_id="refuse"), EndpointError, "the model is gone"),
        (Options(request_id="end"), EndpointError, "ended its stream without 1 of 2 pictures"),
        (
            Options(request_id="silent", answer_seconds=0.1),
            EndpointUnavailable,
            r"streamed nothing for 0\.1 s",
        ),
    ):
        with pytest.raises(error, match=words) as refused:
            requests.gathered(INPUTS, asked)
        assert "\n" not in str(refused.value)
        future: Future[Any] = Future()
        requests.submit(future, INPUTS, asked)
        assert isinstance(future.exception(LIMIT), error)


def test_who_leaves_or_cancels_ends_the_request_on_the_server(
    requests: StreamedRequests, answering: Answering
) -> None:
    with closing(requests.pictures(INPUTS, Options(request_id="silent-1"))) as pictures:
        assert next(pictures).row == 1
    assert answering.ended.get(timeout=LIMIT) == "silent-1"
    future: Future[Any] = Future()
    requests.submit(future, INPUTS, Options(request_id="silent-2"))
    while answering.begun.get(timeout=LIMIT) != "silent-2":
        pass
    assert future.cancel()
    assert answering.ended.get(timeout=LIMIT) == "silent-2"
    with pytest.raises(CancelledError):
        future.result(LIMIT)


def test_after_the_end_nothing_is_sent(requests: StreamedRequests) -> None:
    requests.calls.close()
    future: Future[Any] = Future()
    requests.submit(future, INPUTS, Options())
    assert isinstance(future.exception(LIMIT), EndpointError)
