"""The protocol of pools and of the work that they do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Advance", "Make", "Pool", "Report", "Seat", "Work"]

Advance = Callable[[float], None]
"""Called with the share of a piece that is done, 0 to 1."""

Make = Callable[[int, Advance], Any]
"""Does the piece of a number, reports how far it is, and returns the answer, which `pickle` must be able to copy."""


@dataclass(frozen=True)
class Seat:
    """What a worker may use.

    Args:
        threads: CPU cores; None for all of the machine.
    """

    threads: int | None = None


@dataclass
class Report:
    """How the work went.

    Args:
        workers: workers that did a piece, those that replaced a lost one included.
        pieces: pieces done.
        retries: further tries of pieces, because a worker or a node was lost or a call failed.
    """

    workers: int = 0
    pieces: int = 0
    retries: int = 0


class Work(ABC):
    """Numbered pieces of work; travels to the workers by `pickle`.

    A piece may be done more than once, when a worker is lost after it; the second time must change nothing.
    """

    @abstractmethod
    def open(self, seat: Seat) -> AbstractContextManager[Make]:
        """Open what the pieces need, once in each worker."""

    def check(self) -> None:  # noqa: B027 - most work needs nothing of a node
        """Look whether a node has what the pieces need; quick, before any piece.

        Raises:
            LithoError: it has not.
        """


class Pool(ABC):
    """Workers that do pieces of work; a context manager.

    Attributes:
        inline: whether pieces are done in this process, one after the other.
        report: how the work went so far.
    """

    inline = False

    def __init__(self) -> None:
        self.report = Report()

    @abstractmethod
    def run(
        self, work: Work, numbers: Sequence[int], progress: Advance = lambda pieces: None
    ) -> Generator[tuple[int, Any], None, None]:
        """Do pieces of work.

        Args:
            work: what to do.
            numbers: of the pieces.
            progress: called at least every few seconds with the number of pieces done, parts of pieces included.

        Returns:
            Number and answer of each piece, each once, in the order in which they are done.

        Raises:
            LithoError: a piece failed, and further tries did not help or would not have.
            ClusterError: the cluster was lost.
        """

    def in_order(self, work: Work, count: int) -> list[Any]:
        """Answers of the pieces 0 to `count` - 1, in this order; see `run`."""
        answers = dict(self.run(work, range(count)))
        return [answers[number] for number in range(count)]

    def close(self) -> None:  # noqa: B027 - a pool may hold nothing
        """End the workers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
