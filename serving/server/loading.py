"""Finds loads of models that Triton would never end.

If a machine stands still while a new process opens its model, Triton gives the load up after a second without a sign
of life, and waits for the process to end. The process does not know that and waits for requests, so the load never
ends. Nor do some loads whose new processes died (both seen in 24.10).
"""

from __future__ import annotations

import time
from collections.abc import Collection

from .processes import IDLE_SHARE, Look, Stub, look

__all__ = ["LoadWatch"]

_STUCK = 4
"""Times the idle seconds. Triton takes some seconds to end a load whose processes died, and the server that does not
is killed with all its models."""

_READ_BYTES = 2**20
"""Growth of memory from which on a process opens a file, if only slowly: that takes hardly any processor time."""


class LoadWatch:
    """Looks after the new processes of one model while it is loaded.

    Args:
        server: process id of the server.
        model: its name.
        old: the processes of the model from before the load.
        idle_seconds: a load hangs if none of its processes computed or read anything for this long, and is stuck if
            none was left for four times as long.
    """

    def __init__(
        self,
        server: int,
        model: str,
        old: Collection[Stub],
        *,
        idle_seconds: float = 30.0,
    ) -> None:
        self._server, self._model, self._old = server, model, frozenset(old)
        self._idle_seconds = idle_seconds
        # How each new process was when it last began to be looked at, and when that was.
        self._seen: dict[Stub, tuple[float, Look]] = {}
        self._lost: float | None = None  # since when none of them is left

    def hung(self, instances: Collection[Stub]) -> tuple[Stub, ...]:
        """The new processes, if all of them have done nothing for long; else none.

        A process that has opened its model waits for the others, so one alone may be idle. While an old process is
        left, Triton may wait for that one, and all of the new ones may be idle.

        Args:
            instances: the processes of the server.
        """
        new = [stub for stub in instances if stub.model == self._model and stub not in self._old]
        if new or not self._seen:
            self._lost = None
        elif self._lost is None:
            self._lost = time.monotonic()
        if any(stub in self._old for stub in instances):
            self._seen.update(
                (stub, (time.monotonic(), seen)) for stub in new if (seen := look(stub.pid, self._server))
            )
            return ()
        idle = [self._is_idle(stub) for stub in new]
        return tuple(new) if all(idle) else ()

    @property
    def is_stuck(self) -> bool:
        """Whether new processes came and none has been left for long: nothing is left that could end the load."""
        return self._lost is not None and time.monotonic() - self._lost >= _STUCK * self._idle_seconds

    def _is_idle(self, stub: Stub) -> bool:
        now, seen = time.monotonic(), look(stub.pid, self._server)
        if seen is None:
            return False  # it has just ended
        since, before = self._seen.setdefault(stub, (now, seen))
        seconds = now - since
        if seconds < self._idle_seconds:
            return False
        computed = seen.cpu_seconds - before.cpu_seconds > IDLE_SHARE * seconds
        if computed or seen.memory_bytes - before.memory_bytes > _READ_BYTES:
            self._seen[stub] = (now, seen)
            return False
        return True
