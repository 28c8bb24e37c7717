"""A run in every runtime of a device."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ..load.documents.result import BenchResult
from ..shared.machine import Machine

__all__ = ["DeviceBench"]


class DeviceBench(Document):
    """One run in every runtime of a device.

    Args:
        schema_version: of this document.
        preset: of the run.
        device: "cuda" or "cpu".
        multiply_adds: of one picture, counted in PyTorch's operators.
        results: name of the runtime's form -> its points.
        missing: name -> why it was not measured, in one line.
        machine: that measured.
        measured_at: date and time (UTC) at the end.
        command: that measured.
    """

    schema_version: Literal[1] = 1
    preset: str
    device: str
    multiply_adds: int
    results: dict[str, BenchResult]
    missing: dict[str, str]
    machine: Machine
    measured_at: str
    command: str
