"""Result of the faults as a JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from ...bundle.json_documents import Document
from ..shared.machine import Machine

__all__ = ["Asked", "FaultResult", "Faults"]


class Asked(Document):
    """What one kind of client saw from the start of the fault on.

    Args:
        requests: requests that ended.
        failed: those that got an error.
        wrong: those that got another picture.
        errors: code of the error -> number of requests.
        examples: code of the error -> its first message.
        p95_ms: 95th percentile of the latency of good answers, in milliseconds; None without one.
    """

    requests: int
    failed: int
    wrong: int
    errors: dict[str, int]
    examples: dict[str, str] = Field(default_factory=dict)
    p95_ms: float | None


class FaultResult(Document):
    """One fault.

    Args:
        name: of the fault.
        title: what is done.
        passed: it recovered without a hand, no picture was wrong, and nothing was left.
        problems: what went wrong, if it did not pass.
        seconds_to_good: from the end of the fault to the first good answer to a request that began after it.
        seconds_to_whole: from the end of the fault to the end of the last failed request; 0 if none failed after it.
        clients: kind of client -> what it saw: "raw" is tritonclient without retries, "litho" is litho's client with
            its retries, "fresh" opens a connection for each request.
        restarts: how often another server process took over.
        said: what the supervisor wrote after the fault.
        left: processes, shared memory and files that were there after the end.
        details: figures of this fault.
    """

    name: str
    title: str
    passed: bool
    problems: tuple[str, ...]
    seconds_to_good: float | None
    seconds_to_whole: float | None
    clients: dict[str, Asked]
    restarts: int
    said: tuple[str, ...]
    left: tuple[str, ...]
    details: Mapping[str, Any]


class Faults(Document):
    """All faults of one model; written as `faults.json`.

    Args:
        schema_version: of this document.
        model: name of the model.
        batching: "whole" for requests as they come, "in-flight" for rows that join at any step.
        faults: in the order in which they were planted.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    model: str
    batching: str
    faults: tuple[FaultResult, ...]
    machine: Machine
