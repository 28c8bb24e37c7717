"""What a fault is, and the scene that it is planted in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...runners import Endpoint
from ...signature import Signature
from .load import Load
from .serving import Serving

__all__ = ["Fault", "Scene"]


@dataclass
class Scene:
    """A served model under load.

    Args:
        serving: the running `litho serve`.
        load: the clients.
        signature: of the model.
        repository: that is served.
        bundle: from which the model was deployed.
        faulty_from: reading of the monotonic clock at which the fault began.
        whole_from: reading from which on the server should recover: the end of a fault that takes time.
        problems: what a fault found wrong.
    """

    serving: Serving
    load: Load
    signature: Signature
    repository: Path
    bundle: Path
    faulty_from: float = field(default_factory=time.monotonic)
    whole_from: float = field(default_factory=time.monotonic)
    problems: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is served."""
        return Endpoint.parse(self.serving.endpoint)

    @property
    def model(self) -> Path:
        """The model's folder in the repository."""
        return self.repository / self.endpoint.model

    def ended(self) -> None:
        """The fault is over now: time to recovery counts from here."""
        self.whole_from = time.monotonic()

    def expect(self, holds: bool, problem: str) -> None:
        """Note a problem unless something holds."""
        if not holds:
            self.problems.append(problem)


@dataclass(frozen=True)
class Fault:
    """One fault.

    Args:
        name: as `--only` takes it.
        title: what is done.
        plant: does it, and returns figures of it.
        prepare: changes the repository before it is served.
        disk_bytes: size of a disk of its own for the repository and temporary files; 0 for none. Only root can have
            one.
    """

    name: str
    title: str
    plant: Callable[[Scene], Mapping[str, Any]]
    prepare: Callable[[Path], None] | None = None
    disk_bytes: int = 0
