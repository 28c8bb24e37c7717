"""What a load generator brought back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Outcomes", "Picked", "combined", "read_outcomes"]


@dataclass(frozen=True)
class Picked:
    """The answer of a request that had given inputs.

    Args:
        request: its place among the outcomes.
        kind: its place among the given ones.
        pictures: UINT8, as the server sent them.
    """

    request: int
    kind: int
    pictures: bytes


@dataclass(frozen=True)
class Outcomes:
    """What became of the requests, in the order in which they left.

    All times are FP64 of shape (requests,), in seconds from the start of the load.

    Args:
        scheduled: when each was due: its time in the schedule, or when its place in a closed loop became free.
        began: when it left.
        ended: when it was answered; NaN for one that never was.
        preview: when its first preview or picture came, of a model that streams; NaN otherwise.
        failed: INT32 of shape (requests,), which of `messages` it failed with; -1 for a success.
        kind: INT32 of shape (requests,), which kind of the plan it was; -1 for a picked one.
        pictures: INT32 of shape (requests,), how many pictures it asked for.
        messages: why requests failed.
        picked: answers of the picked requests.
    """

    scheduled: NDArray[np.float64]
    began: NDArray[np.float64]
    ended: NDArray[np.float64]
    preview: NDArray[np.float64]
    failed: NDArray[np.int32]
    kind: NDArray[np.int32]
    pictures: NDArray[np.int32]
    messages: tuple[str, ...]
    picked: tuple[Picked, ...]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which were answered with pictures, of shape (requests,)."""
        return (self.failed < 0) & ~np.isnan(self.ended)

    @property
    def latency_ms(self) -> NDArray[np.float64]:
        """Milliseconds from when each was due to its answer."""
        return (self.ended - self.scheduled) * 1e3

    @property
    def errors(self) -> Counter[str]:
        """Message -> number of requests that failed with it."""
        return Counter(self.messages[index] for index in self.failed[self.failed >= 0])

    def in_flight(self, start: float, end: float) -> float:
        """Mean number of requests in flight between two moments."""
        ended = np.where(np.isnan(self.ended), end, self.ended)
        inside = np.clip(ended, start, end) - np.clip(self.began, start, end)
        return float(inside.sum() / (end - start))


def read_outcomes(folder: Path, rows: Sequence[int], picked_rows: Sequence[int]) -> Outcomes:
    """Read what one process wrote.

    Args:
        folder: of its plan.
        rows, picked_rows: pictures of each kind of request, and of each picked one.
    """
    facts = json.loads((folder / "outcomes.json").read_text())
    times = {name: np.fromfile(folder / name) for name in ("scheduled", "began", "ended", "preview")}
    failed = np.fromfile(folder / "failed", np.int32)
    # A process that was ended while it noted a request has some arrays longer than others.
    count = min(len(failed), *(len(values) for values in times.values()))
    kind = (np.arange(count) % len(rows)).astype(np.int32)
    pictures = np.array(rows, np.int32)[kind]
    for request, given in facts["picks"]:
        if request < count:
            kind[request], pictures[request] = -1, picked_rows[given]
    content = (folder / "pictures").read_bytes()
    picked: list[Picked] = []
    position = 0
    for request, given, size in facts["picked"]:
        picked.append(Picked(request, given, content[position : position + size]))
        position += size
    return Outcomes(
        **{name: values[:count] for name, values in times.items()},
        failed=failed[:count],
        kind=kind,
        pictures=pictures,
        messages=tuple(facts["messages"]),
        picked=tuple(picked),
    )


def combined(parts: Sequence[Outcomes]) -> Outcomes:
    """The outcomes of several processes, in the order in which requests left."""
    if len(parts) == 1:
        return parts[0]
    messages = tuple(dict.fromkeys(message for part in parts for message in part.messages))
    failed = [_renumbered(part, messages) for part in parts]
    names = ("scheduled", "began", "ended", "preview", "kind", "pictures")
    merged = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    order = np.argsort(merged["began"], kind="stable")
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    starts = np.cumsum([0, *(len(part.began) for part in parts)])
    picked = [
        Picked(int(position[start + one.request]), one.kind, one.pictures)
        for start, part in zip(starts, parts, strict=False)
        for one in part.picked
    ]
    return Outcomes(
        **{name: values[order] for name, values in merged.items()},
        failed=np.concatenate(failed)[order],
        messages=messages,
        picked=tuple(sorted(picked, key=lambda one: one.request)),
    )


def _renumbered(part: Outcomes, messages: tuple[str, ...]) -> NDArray[np.int32]:
    numbers = np.array([*(messages.index(message) for message in part.messages), -1], np.int32)
    return numbers[part.failed]
