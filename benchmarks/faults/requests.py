"""Faults of requests: those that kill Triton 24.10, malformed ones, too many, and bad ones among good ones."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc import InferenceServerClient

from ...errors import EndpointError, LithoError
from ...runners.triton import Runner, messages
from ...serving.clients.client import Client
from ..load.measuring.requests import Requests
from .base import Fault, Scene
from .clients import RECONNECT, Row, inputs_of, outcome_of, rows_of
from .malformed import Malformed, send

__all__ = ["FAULTS"]

MALFORMED = 5000
BURST = 300
QUEUE = 8
_GIANT = b'{"inputs":[{"name":"%s","datatype":"INT64","shape":[1000000000,1000000000],"data":[1]}]}'


def _batch_zero(scene: Scene) -> Mapping[str, Any]:
    request = messages.ModelInferRequest(model_name=scene.endpoint.model)
    for one in scene.signature.inputs:
        request.inputs.add(name=one.name, datatype=one.dtype, shape=[0, *(one.shape or (1,))])
        request.raw_input_contents.append(b"")
    refusal = _refusal(scene)
    answer = send(scene.serving, request, streamed=scene.serving.decoupled)
    scene.ended()
    return {"answer": answer, "litho": refusal}


def _refusal(scene: Scene) -> str:
    """What litho's own client says of a request without pictures, before it is sent."""
    empty = {name: array[:0] for name, array in rows_of(scene.signature)[0].items()}
    try:
        with Client(scene.serving.endpoint) as client:
            client.run(empty)
    except LithoError as error:
        scene.expect(not isinstance(error, EndpointError), f"litho's client sent it: {error}")
        return f"{type(error).__name__}: {error}"
    scene.problems.append("a request without pictures was answered")
    return "answered"


def _giant_shape(scene: Scene) -> Mapping[str, Any]:
    name = scene.signature.inputs[0].name.encode()
    answer = send(scene.serving, _GIANT % name)
    scene.ended()
    return {"answer": answer}


def _malformed(scene: Scene) -> Mapping[str, Any]:
    answers, killers, streamed = Counter[str](), Counter[str](), scene.serving.decoupled
    for kind, request in Malformed(
        scene.endpoint.model, rows_of(scene.signature), scene.signature, MALFORMED
    ):
        answer = send(scene.serving, request, streamed=streamed)
        answers[answer.split(":")[0]] += 1
        if answer.startswith("gone"):
            killers[kind] += 1
            scene.load.wait_for_good(time.monotonic(), 0.5, 60)
    scene.ended()
    scene.expect(not killers, f"the server went away after {dict(killers)}")
    return {"requests": answers.total(), "answers": dict(answers), "killers": dict(killers)}


def _limited_queue(model: Path) -> None:
    from ...serving.configuration.model_config import parse_config, print_config

    for file in (model / "config.pbtxt", *model.glob("*/config.pbtxt")):
        config = parse_config(file.read_text())
        policy = config.dynamic_batching.default_queue_policy
        policy.max_queue_size = QUEUE
        file.write_text(print_config(config))


@dataclass(frozen=True)
class _Wrong:
    """A request whose first input has an axis too many."""

    row: Row


class _Burst:
    """Many requests at once from this process, and what became of each: number, seconds, outcome, message.

    They are sent by tritonclient, or by litho's runner, which does not try again, to a model that answers in streams.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene, self._lock = scene, threading.Condition()
        self.ended: list[tuple[int, float, str, str]] = []

    def send(self, rows: Sequence[_Wrong | Row]) -> None:
        """Send all, and wait for the answers."""
        if self._scene.serving.decoupled:
            with Runner(self._scene.endpoint.address, self._scene.endpoint.model) as runner:
                self._send(rows, lambda row, note: self._submit(runner, row, note))
        else:
            with InferenceServerClient(self._scene.endpoint.address, channel_args=RECONNECT) as client:
                self._send(rows, lambda row, note: self._infer(client, row, note))

    def _send(self, rows: Sequence[_Wrong | Row], ask: Callable[[Any, Callable[..., None]], None]) -> None:
        for number, row in enumerate(rows):
            ask(row, partial(self._note, number, time.monotonic()))
        with self._lock:
            self._lock.wait_for(lambda: len(self.ended) == len(rows), 90)

    def _infer(self, client: InferenceServerClient, row: Any, note: Callable[..., None]) -> None:
        inputs = inputs_of(self._scene.signature, row.row if isinstance(row, _Wrong) else row)
        if isinstance(row, _Wrong):
            inputs[0].set_shape([*inputs[0].shape(), 1])
        client.async_infer(
            self._scene.endpoint.model,
            inputs,
            callback=lambda result, error: note(error),
            client_timeout=60,
        )

    def _submit(self, runner: Runner, row: Any, note: Callable[..., None]) -> None:
        if isinstance(row, _Wrong):
            name = self._scene.signature.inputs[0].name
            row = {**row.row, name: row.row[name][..., None]}
        try:
            runner.submit(row).add_done_callback(lambda done: note(done.exception()))
        except LithoError as error:
            note(error)

    def _note(self, number: int, began: float, error: Any) -> None:
        outcome, message = ("OK", "") if error is None else outcome_of(error)
        with self._lock:
            self.ended.append((number, time.monotonic() - began, outcome, message))
            self._lock.notify()


def _overflow(scene: Scene) -> Mapping[str, Any]:
    requests = Requests(scene.signature, 1000)
    with Client(scene.serving.endpoint) as client:
        batch = client.max_batch_size
    block = scene.signature.with_defaults(requests.take(batch))
    burst = _Burst(scene)
    burst.send([block] * BURST)
    scene.ended()
    refused = [one for one in burst.ended if one[2] != "OK"]
    good = [one[1] for one in burst.ended if one[2] == "OK"]
    scene.expect(len(burst.ended) == BURST, f"{BURST - len(burst.ended)} requests got no answer")
    scene.expect(bool(refused), "no request was refused")
    others = [one for one in refused if one[2] not in ("UNAVAILABLE", "EndpointBusy")]
    scene.expect(not others, f"refused with {others[:1]}")
    waited = float(np.median([one[1] for one in refused])) if refused else float("nan")
    scene.expect(bool(good) and waited < float(np.median(good)), "a refusal takes longer than an answer")
    return {
        "answered": len(good),
        "refused": len(refused),
        "median_seconds_of_a_refusal": round(waited, 4),
        "median_seconds_of_an_answer": round(float(np.median(good)), 4) if good else None,
        "message": refused[0][3] if refused else "",
    }


def _bad_among_good(scene: Scene) -> Mapping[str, Any]:
    good = rows_of(scene.signature)[0]
    rows = [good if number % 2 else _bad(scene, number) for number in range(200)]
    burst = _Burst(scene)
    burst.send(rows)
    scene.ended()
    outcomes = Counter((("good", "bad")[number % 2 == 0], code) for number, _, code, _ in burst.ended)
    scene.expect(outcomes["good", "OK"] == 100, "a good request among bad ones was refused")
    scene.expect(outcomes["bad", "OK"] == 0, "a bad request was answered")
    return {" ".join(key): count for key, count in outcomes.items()}


def _bad(scene: Scene, number: int) -> _Wrong | Row:
    """Inputs with a value, a batch or a rank that is not allowed."""
    row = rows_of(scene.signature)[number % 8]
    name = scene.signature.inputs[0].name
    match number // 2 % 3:
        case 0:
            return {**row, name: np.full_like(row[name], -1)}
        case 1:
            return {**row, name: np.repeat(row[name], 3, axis=0)}
        case _:
            return _Wrong(row)


FAULTS = (
    Fault("batch-0", "a request of shape [0, 1] over gRPC", _batch_zero),
    Fault("giant-shape", "a request of shape [10^9, 10^9] as JSON over HTTP", _giant_shape),
    Fault("malformed", f"{MALFORMED:,} malformed requests over gRPC and HTTP", _malformed),
    Fault("queue-overflow", f"{BURST} requests at once on a queue of {QUEUE}", _overflow, _limited_queue),
    Fault("bad-among-good", "100 bad requests among 100 good ones, at once", _bad_among_good),
)
