"""What takes a machine from a measurement: other programs, and other machines on the same host."""

from __future__ import annotations

import os
import time

from ...extras import require

__all__ = ["Others"]


class Others:
    """What the machine is busy with since this was made, less this process, its load generators and the server.

    Time that the host gave to another machine (steal in /proc/stat) counts too.

    Args:
        server: id of its process, which runs on until `share` was asked for.
    """

    def __init__(self, server: int) -> None:
        self._psutil = require("psutil", "bench")
        self._server = self._psutil.Process(server)
        self._before, self._start = self._busy() - self._mine(), time.perf_counter()

    def share(self) -> float:
        """Share of the machine that others have used since this object was made, 0 to 1."""
        taken = (time.perf_counter() - self._start) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, (self._busy() - self._mine() - self._before) / taken))

    def _busy(self) -> float:
        times = self._psutil.cpu_times()
        return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)

    def _mine(self) -> float:
        own = os.times()
        # The instances are children of the server, which has not waited for them yet.
        tree = [one.cpu_times() for one in (self._server, *self._server.children(recursive=True))]
        waited = own.children_user + own.children_system
        return own.user + own.system + waited + sum(used.user + used.system for used in tree)
