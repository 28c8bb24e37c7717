"""A load generator in a process of its own: requests leave on schedule, whether or not earlier ones are answered.

Latencies count from the scheduled time, so that a server that falls behind cannot hide it (coordinated omission). A
plan says when each request leaves; without times it keeps a number of them in flight instead, for saturation.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import serialize_byte_tensor

__all__ = ["Outcomes", "Plan", "drive"]

messages: Any = service_pb2  # protobuf creates its classes at import time

STREAMS = 8
"""Streams that requests to a decoupled model share."""

STALL_SECONDS = 120.0
_DTYPES = {"int64": "INT64", "float32": "FP32", "object": "BYTES"}

Inputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Plan:
    """What the process does.

    Args:
        address: HOST:PORT of the server's gRPC endpoint.
        model: name of the model.
        inputs: field name -> array, one row for each request, in the signature's order.
        times: when the requests leave, in seconds from the start, ascending; None to keep `in_flight` of them going.
        in_flight: number of requests, where there are no times.
        seconds: with `in_flight`, when to stop starting further ones.
        streamed: whether the model is decoupled.
    """

    address: str
    model: str
    inputs: Inputs
    times: NDArray[np.float64] | None = None
    in_flight: int = 1
    seconds: float = float("inf")
    streamed: bool = False


@dataclass(frozen=True)
class Outcomes:
    """What became of the requests, in the order of the plan; those never started are left out.

    Args:
        began: FP64, seconds from the start; of a schedule, the scheduled time.
        ended: FP64, seconds from the start; infinite for a request that failed.
        images: UINT8 of shape (requests, height, width, channels); zeros for one that failed.
        errors: messages of those that failed.
    """

    began: NDArray[np.float64]
    ended: NDArray[np.float64]
    images: NDArray[np.uint8]
    errors: tuple[str, ...]

    @property
    def latency_ms(self) -> NDArray[np.float64]:
        """Milliseconds from the scheduled time to the answer."""
        return (self.ended - self.began) * 1e3


def drive(plan: Plan, folder: Path) -> Outcomes:
    """Run a plan in a process of its own.

    Args:
        plan: what to do.
        folder: for the files by which both processes talk.

    Raises:
        CalledProcessError: the process failed.
    """
    given, made = folder / "plan.npz", folder / "outcomes.npz"
    arrays: dict[str, Any] = {f"input {name}": _plain(values) for name, values in plan.inputs.items()}
    arrays["text"] = np.array([plan.address, plan.model])
    arrays["numbers"] = np.array([plan.in_flight, plan.seconds, plan.streamed], float)
    arrays["times"] = np.array([]) if plan.times is None else plan.times
    np.savez(given, **arrays)
    command = [sys.executable, "-m", "litho.benchmarks.in_flight.open_loop", str(given), str(made)]
    subprocess.run(command, check=True)
    with np.load(made) as found:
        errors = tuple(found["errors"].tolist())
        return Outcomes(found["began"], found["ended"], found["images"], errors)


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    # An array of objects would be pickled.
    return values.astype(str) if values.dtype == object else values


class _Sender:
    """Sends requests, and queues their answers with the time.

    Args:
        plan: what to send.
        ended: gets request number, time, and picture or message.
    """

    def __init__(self, plan: Plan, ended: SimpleQueue[tuple[int, float, Any]]) -> None:
        self._plan, self._ended = plan, ended
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
        self._channel = grpc.insecure_channel(plan.address, options)
        self._stub: Any = GRPCInferenceServiceStub(self._channel)
        self._requests = [self._request(number) for number in range(len(next(iter(plan.inputs.values()))))]
        self._outgoing: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(STREAMS)]
        if plan.streamed:
            for outgoing in self._outgoing:
                threading.Thread(target=self._read, args=(outgoing,), daemon=True).start()

    def send(self, number: int) -> None:
        """Start a request."""
        request = self._requests[number]
        if self._plan.streamed:
            self._outgoing[number % STREAMS].put(request)
        else:
            self._stub.ModelInfer.future(request).add_done_callback(lambda call: self._answered(number, call))

    def _request(self, number: int) -> Any:
        request = messages.ModelInferRequest(model_name=self._plan.model, id=str(number))
        for name, values in self._plan.inputs.items():
            row = values[number : number + 1]
            if row.dtype.kind == "U":
                serialized = serialize_byte_tensor(np.array([row[0].encode()], object))
                assert serialized is not None, "a list of texts"
                content, dtype = serialized.item(), "BYTES"
            else:
                content, dtype = row.tobytes(), _DTYPES[row.dtype.name]
            request.inputs.add(name=name, datatype=dtype, shape=(1, *(row.shape[1:] or (1,))))
            request.raw_input_contents.append(content)
        return request

    def _answered(self, number: int, call: Any) -> None:
        now = time.perf_counter()
        try:
            self._ended.put((number, now, _image(call.result())))
        except grpc.RpcError as error:
            self._ended.put((number, now, str(error.details())))

    def _read(self, outgoing: SimpleQueue[Any]) -> None:
        for answer in self._stub.ModelStreamInfer(iter(outgoing.get, None)):
            now = time.perf_counter()
            number = int(answer.infer_response.id or -1)
            # A request of one row without previews has one response.
            self._ended.put((number, now, answer.error_message or _image(answer.infer_response)))


def _image(answer: Any) -> NDArray[np.uint8]:
    for output, content in zip(answer.outputs, answer.raw_output_contents, strict=True):
        if output.datatype == "UINT8":
            return np.frombuffer(content, np.uint8).reshape(output.shape)[0]
    raise ValueError("the answer holds no picture")


class _Loop:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._ended: SimpleQueue[tuple[int, float, Any]] = SimpleQueue()
        self._send: Callable[[int], None] = _Sender(plan, self._ended).send
        self._began: dict[int, float] = {}
        self._taken: dict[int, tuple[float, Any]] = {}

    def run(self) -> Outcomes:
        """Follow the plan to its end."""
        start = time.perf_counter() + 0.1
        if self._plan.times is not None:
            for number, moment in enumerate(self._plan.times):
                time.sleep(max(0.0, start + moment - time.perf_counter()))
                self._began[number] = start + moment
                self._send(number)
        else:
            count = len(next(iter(self._plan.inputs.values())))
            numbers: Iterator[int] = iter(range(count))
            for number in itertools.islice(numbers, self._plan.in_flight):
                self._start(number)
            for number in numbers:
                self._take()
                if time.perf_counter() > start + self._plan.seconds:
                    break
                self._start(number)
        while len(self._taken) < len(self._began):
            self._take()
        return self._outcomes(start)

    def _start(self, number: int) -> None:
        self._began[number] = time.perf_counter()
        self._send(number)

    def _take(self) -> None:
        try:
            number, moment, answer = self._ended.get(timeout=STALL_SECONDS)
        except Empty:
            lost = len(self._began) - len(self._taken)
            raise SystemExit(f"{lost} requests were not answered for {STALL_SECONDS:g} s") from None
        self._taken[number] = (moment, answer)

    def _outcomes(self, start: float) -> Outcomes:
        taken = [self._taken[number] for number in range(len(self._began))]
        images = [answer for _, answer in taken if not isinstance(answer, str)]
        blank = np.zeros_like(images[0]) if images else np.zeros((1, 1, 1), np.uint8)
        return Outcomes(
            np.array([self._began[number] - start for number in range(len(taken))]),
            np.array([np.inf if isinstance(answer, str) else moment - start for moment, answer in taken]),
            np.stack([blank if isinstance(answer, str) else answer for _, answer in taken]),
            tuple(answer for _, answer in taken if isinstance(answer, str)),
        )


def main() -> None:
    """Run the plan in the file that the first argument names, and write the outcomes to the second."""
    given, made = sys.argv[1:]
    with np.load(given) as found:
        in_flight, seconds, streamed = found["numbers"]
        address, model = found["text"].tolist()
        inputs = {name.removeprefix("input "): found[name] for name in found if name.startswith("input ")}
        times = found["times"] if found["times"].size else None
        plan = Plan(address, model, inputs, times, int(in_flight), float(seconds), bool(streamed))
    outcomes = _Loop(plan).run()
    np.savez(
        made,
        began=outcomes.began,
        ended=outcomes.ended,
        images=outcomes.images,
        errors=np.array(outcomes.errors, str),
    )


if __name__ == "__main__":
    main()
