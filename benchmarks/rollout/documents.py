"""The commands of a rollout and what clients saw meanwhile; written as `rollout.json`."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..faults.documents import Asked
from ..shared.machine import Machine

__all__ = ["Rollouts", "Step", "table"]


class Step(Document):
    """One command while clients asked.

    Args:
        command: what was run, without paths.
        expected: exit code that it should have.
        exit_code: that it had.
        seconds: that it took.
        said: its last line.
        live: version that answered after it.
    """

    command: str
    expected: int
    exit_code: int
    seconds: float
    said: str
    live: int


class Rollouts(Document):
    """All commands, and what the clients saw from the first to the last; written as `rollout.json`.

    Args:
        schema_version: of this document.
        steps: in order.
        clients: kind of client -> its requests.
        longest_ms: longest latency of a good answer, in milliseconds.
        problems: what went wrong; empty if nothing.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    steps: tuple[Step, ...]
    clients: dict[str, Asked]
    longest_ms: float
    problems: tuple[str, ...]
    machine: Machine

    @property
    def requests(self) -> int:
        """Requests of all clients."""
        return sum(client.requests for client in self.clients.values())


def table(result: Rollouts) -> list[str]:
    """Tables in Markdown: the commands, then the clients."""
    steps = [
        (one.command, str(one.exit_code), f"{one.seconds:.1f}", str(one.live), one.said)
        for one in result.steps
    ]
    clients = [
        (kind, f"{one.requests:,}", str(one.failed), str(one.wrong), str(one.p95_ms))
        for kind, one in result.clients.items()
    ]
    return [
        *markdown_table(("command", "exit code", "seconds", "live", "said"), steps),
        "",
        *markdown_table(("client", "requests", "failed", "wrong", "p95 (ms)"), clients),
    ]
