"""In-flight batching in Triton: `execute` hands requests over to an engine, which answers through response senders.

The model is decoupled: every picture is a response of its own, and the last one of a request carries the final flag.
"""

# pyright: reportMissingImports=false
# Triton provides `triton_python_backend_utils`.

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from ...errors import EndpointUnavailable, InvalidInput, LithoError, UsageError
from ...runners.rectified_flow import Runner
from ..in_flight.batching import lanes_of
from ..in_flight.engine import Engine
from ..in_flight.live_requests import Options
from ..in_flight.step_costs import StepCosts
from .answers import refusal
from .in_hand import DRAINING, InHand
from .instance import Instance
from .metrics import EngineMetrics

__all__ = ["Model"]

ROW, STEP = "row", "step"
"""Outputs beside the picture."""

PREVIEW_EVERY, PRIORITY, DEADLINE = "preview_every", "row_priority", "deadline_ms"
"""Parameters of a request; Triton keeps its own `priority` to itself, and its own `timeout` is that of the queue."""

QUEUE_SIZE = 1024
"""Most waiting requests, unless the configuration says another number."""

_FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class Model:
    """One engine, which has the lanes that the configuration asks for."""

    def initialize(self, instance: Instance) -> None:
        """Open a runner for each lane, and measure what a step costs where the cap is "auto".

        Raises:
            LithoError: the deployment cannot be served; the message says why.
        """
        lanes, threads = lanes_of(instance.device, _number(instance, "lanes"), _number(instance, "threads"))
        runners: list[Any] = []
        try:
            for _ in range(lanes):
                runners.append(instance.open(threads=threads))
            if not all(isinstance(runner, Runner) for runner in runners):
                raise UsageError(f"{runners[0].description} takes no steps; deploy it with --batching whole")
            cap = live_rows(instance, runners[0], threads)
        except BaseException:
            for runner in runners:
                runner.close()
            raise
        self._in_hand = InHand.of_environment()
        scheduling = _scheduling(instance)
        queue_size = int((scheduling.get("default_queue_policy") or {}).get("max_queue_size") or 0)
        self._priority = int(scheduling.get("default_priority_level") or 1)
        self._engine = Engine(runners, cap, queue_size or QUEUE_SIZE, self._in_hand.progressed)
        labels = {"model": str(instance.config["name"]), "version": instance.path.name}
        self._metrics = EngineMetrics(self._engine.statistics, labels)
        self._input_names = [field.name for field in self._engine.signature.inputs]
        self._output_name = self._engine.signature.output.name
        pb_utils.Logger.log_info(f"in flight: {lanes} lanes of {threads or 'all'} threads, {cap} rows each")

    def execute(self, requests: list[Any]) -> None:
        """Queue the requests; a bad one gets its own error and does not affect the others."""
        for request in requests:
            answers = _Answers(request.get_response_sender(), self._output_name, self._in_hand)
            if not self._in_hand.accept():
                answers.refuse(EndpointUnavailable(DRAINING))
                continue
            try:
                self._engine.submit(self._inputs(request), answers, _options(request, self._priority))
            except LithoError as error:
                answers.failed(error)

    def finalize(self) -> None:
        """Finish what is in flight, and release the runners."""
        self._engine.close()
        self._metrics.close()
        self._in_hand.close()
        pb_utils.Logger.log_info(f"in flight: {self._engine.statistics()}")

    def _inputs(self, request: Any) -> dict[str, NDArray[Any]]:
        tensors = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._input_names}
        # Copies: the memory belongs to the request, which Triton takes back when this call ends.
        return {name: tensor.as_numpy().copy() for name, tensor in tensors.items() if tensor is not None}


class _Answers:
    """Sends the pictures of one request.

    Args:
        sender: of its responses.
        output: name of the picture among the outputs.
        in_hand: counts it until its last response is sent.
    """

    def __init__(self, sender: Any, output: str, in_hand: InHand) -> None:
        self._sender, self._output, self._in_hand = sender, output, in_hand

    def picture(self, row: int, step: int, image: NDArray[np.uint8], *, last: bool) -> None:
        tensors = [
            # A copy: the backend takes over the memory of a tensor, which must be its own.
            pb_utils.Tensor(self._output, image.copy()),
            pb_utils.Tensor(ROW, np.array([[row]], np.int64)),
            pb_utils.Tensor(STEP, np.array([[step]], np.int64)),
        ]
        try:
            self._sender.send(pb_utils.InferenceResponse(tensors), flags=_FINAL if last else 0)
        finally:
            if last:
                self._in_hand.answered()

    def failed(self, error: LithoError) -> None:
        try:
            self.refuse(error)
        finally:
            self._in_hand.answered()

    def refuse(self, error: LithoError) -> None:
        """Send an error as the only response."""
        self._sender.send(refusal(error), flags=_FINAL)

    def is_gone(self) -> bool:
        return self._sender.is_cancelled()


def live_rows(instance: Instance, runner: Runner, threads: int | None) -> int:
    """Most live rows of a lane: as configured, else the knee of the step cost, measured now."""
    largest = instance.config["max_batch_size"]
    if (given := _number(instance, "live_rows")) is not None:
        return min(given, largest)
    costs = StepCosts.measure(runner, largest, threads=threads)
    fixed, row = costs.fit()
    pb_utils.Logger.log_info(
        f"in flight: a step costs {costs}; fitted {fixed:.2f} ms and {row:.2f} ms a row; the knee is {costs.knee()}"
    )
    return costs.knee()


def _scheduling(instance: Instance) -> Mapping[str, Any]:
    """The queue of the configuration, which Triton's own queue never fills."""
    return instance.config.get("dynamic_batching") or {}


def _number(instance: Instance, name: str) -> int | None:
    text = instance.parameter(name)
    if text is None or text == "auto":
        return None
    if not text.isdecimal() or not int(text):
        raise UsageError(f"parameter litho_{name} is {text!r}; allowed is a number of 1 or more, or auto")
    return int(text)


def _options(request: Any, usual_priority: int) -> Options:
    given = json.loads(request.parameters() or "{}")
    for name in (PREVIEW_EVERY, PRIORITY, DEADLINE):
        if type(given.get(name, 0)) is not int:
            raise InvalidInput(f"parameter {name!r} was given {given[name]!r}; allowed is an integer")
    milliseconds, microseconds = given.get(DEADLINE, 0), request.timeout()
    return Options(
        priority=given.get(PRIORITY, 0) or usual_priority,
        seconds=milliseconds / 1e3 if milliseconds > 0 else None,
        queue_seconds=microseconds / 1e6 if microseconds else None,
        preview_every=given.get(PREVIEW_EVERY, 0),
    )
