"""The plan of one process, as its parent wrote it, and the bytes of its requests."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any

__all__ = ["Message", "Plan"]

_COUNTER = Struct("<Q").pack
_DIGITS = 19
_LEAST, _SEEDS = 10 ** (_DIGITS - 1), 8 * 10 ** (_DIGITS - 1)
"""Smallest seed of as many digits, and how many seeds from it on are below 2**63."""


class Message:
    """One kind of request, with the place that makes every request of it different.

    Args:
        content: the request's bytes.
        offset: where the counted numbers are; -1 for a request that is always the same.
        counted: "seed": one INT64 for each picture; "digits": one number of 19 digits; "bytes": any values will do;
            "mantissa": the low bits of a float.
        rows: pictures in the request.
        answer_bytes: size of the pictures in the answer.
    """

    def __init__(self, content: bytes, offset: int, counted: str, rows: int, answer_bytes: int) -> None:
        self.content, self.rows, self.answer_bytes = content, rows, answer_bytes
        width = 0 if offset < 0 else {"seed": 8 * rows, "digits": _DIGITS, "bytes": 8, "mantissa": 2}[counted]
        self._head, self._tail = content[:offset], content[offset + width :]
        self._counted = counted if width else ""
        self._seeds = Struct(f"<{rows}q").pack

    def of(self, start: int) -> bytes:
        """The bytes of a request whose seeds count up from `start`."""
        if self._counted == "seed":
            middle = self._seeds(start) if self.rows == 1 else self._seeds(*range(start, start + self.rows))
        elif self._counted == "digits":
            middle = b"%d" % (_LEAST + start % _SEEDS)
        elif self._counted == "bytes":
            middle = _COUNTER(start)
        elif self._counted == "mantissa":
            middle = _COUNTER(start)[:2]
        else:
            return self.content
        return b"".join((self._head, middle, self._tail))


@dataclass(frozen=True)
class Plan:
    """What one process does.

    Args:
        transport: module of `transports`.
        host, port: of the server.
        tls: files of certificates, see `connection.Tls`; None for a plain connection.
        target: path of the call.
        headers: name and value of further headers.
        output: name of the output.
        messages: kinds of requests, taken in turn.
        first_seed: of the first request.
        stride: from the first seed of a request to that of the next one.
        in_flight: requests to keep going; 0 for a schedule.
        times: when requests leave, in seconds from the start, ascending; empty to keep `in_flight` of them going.
        most: requests at most; 0 for no end.
        connections: most connections.
        picked: requests with given inputs, taken in turn, whose answers are kept.
        most_picked_bytes: answers kept at most.
    """

    transport: str
    host: str
    port: int
    tls: dict[str, str | None] | None
    target: str
    headers: list[tuple[str, str]]
    output: str
    messages: list[Message]
    first_seed: int
    stride: int
    in_flight: int
    times: array[float]
    most: int
    connections: int
    picked: list[Message]
    most_picked_bytes: int

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Read the files of a plan: `plan.json`, `messages.bin` and `times.f64`."""
        facts: dict[str, Any] = json.loads((folder / "plan.json").read_text())
        content, times = (folder / "messages.bin").read_bytes(), array("d")
        times.frombytes((folder / "times.f64").read_bytes())
        for name in ("messages", "picked"):
            facts[name] = [
                Message(content[start : start + length], *rest) for start, length, *rest in facts[name]
            ]
        facts["headers"] = [tuple(pair) for pair in facts["headers"]]
        return cls(times=times, **facts)
