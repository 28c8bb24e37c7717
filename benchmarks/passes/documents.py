"""What the graph passes gain; written as `passes.json`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field as Constraint

from ...bundle.json_documents import Document
from ..shared.machine import Machine

__all__ = ["Gain", "Gains", "Runtime"]

Runtime = Literal["onnxruntime", "openvino", "openvino-bf16"]


class Gain(Document):
    """One graph with and without passes, in one runtime at one batch.

    Args:
        case: name of the case.
        runtime: "onnxruntime", "openvino", or "openvino-bf16" for OpenVINO computing in BF16.
        batch: pictures at a time.
        ratio: median over the pairs of processor time without over processor time with the passes; above 1 is faster.
        low, high: its 95 % interval.
        pairs: number of pairs of turns.
    """

    case: str
    runtime: Runtime
    batch: Annotated[int, Constraint(ge=1)]
    ratio: float
    low: float
    high: float
    pairs: int


class Gains(Document):
    """All cases; written as `passes.json`.

    Args:
        schema_version: of this document.
        gains: in the order of `CASES`.
        failures: case and runtime -> why it could not be measured, in one line.
        machine: that measured.
        measured_at: date and time (UTC) at the end.
        command: that measured.
        seconds: that it took.
    """

    schema_version: Literal[1] = 1
    gains: tuple[Gain, ...]
    failures: dict[str, str]
    machine: Machine
    measured_at: str
    command: str
    seconds: float

    def of(self, case: str, runtime: Runtime) -> tuple[Gain, ...]:
        """The gains of a case in a runtime, by batch."""
        return tuple(one for one in self.gains if (one.case, one.runtime) == (case, runtime))
